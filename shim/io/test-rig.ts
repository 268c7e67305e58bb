/** For the tests of stdio: a reactor, children, a directory for fifos, and a client's side of them. */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail } from "../../runtime/base/errors.ts";
import { libexecDir, loadNative, type NativeBinding } from "../../runtime/native/binding.ts";
import { PLAN_ABI } from "../../schemas/generated/plan.ts";
import { type Children, watchChildren } from "../event-loop/children.ts";
import { type Reactor, startReactor } from "../event-loop/reactor.ts";
import type { IoEnv, Owner, ProcessIo } from "./stdio.ts";

process.env["TSRUNC_LIBEXEC"] ??= `${process.cwd()}/dist/libexec/tsrunc`;

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants;

export const owner: Owner = { id: "c1", namespace: "tests", uid: 0, gid: 0 };

export interface Rig {
  readonly env: IoEnv;
  readonly native: NativeBinding;
  readonly reactor: Reactor;
  readonly children: Children;
  /** What has been logged, level first. */
  readonly logged: string[];
  readonly directory: string;
  /** Paths of new fifos in the directory. */
  fifos(...names: string[]): string[];
  /** Ends the reactor and removes the directory. */
  end(): void;
}

/** Whether the addon has been built; tests that need it are skipped otherwise. */
export function addonIsBuilt(): boolean {
  return fs.existsSync(`${libexecDir()}/tsrunc.node`);
}

export function startRig(limits: IoEnv["limits"] = {}): Rig {
  const native = loadNative(PLAN_ABI);
  const reactor = startReactor(native);
  const children = watchChildren(native, reactor);
  const logged: string[] = [];
  const directory = fs.mkdtempSync(join(tmpdir(), "shim-io-"));
  const log = {
    debug: (text: string) => logged.push(`debug ${text}`),
    info: (text: string) => logged.push(`info ${text}`),
    warn: (text: string) => logged.push(`warn ${text}`),
    error: (text: string) => logged.push(`error ${text}`),
    toStderr: false,
  };
  return {
    env: { reactor, children, log, endingLoggers: new Set(), limits },
    native,
    reactor,
    children,
    logged,
    directory,
    fifos: (...names) => {
      const paths = names.map((name) => join(directory, name));
      runSync(children, "mkfifo", ...paths);
      return paths;
    },
    end: () => {
      reactor.stop();
      fs.rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Runs a program. Not with node:child_process: it takes SIGCHLD away from the reaper. */
export function runSync(children: Children, ...argv: string[]): void {
  const { pid, pidfd } = children.native.spawn({
    file: "/usr/bin/env",
    argv: ["env", ...argv],
    env: [`PATH=${process.env["PATH"]}`],
    stdio: [-1, -1, 2],
    keepFds: [],
    cloneFlags: 0,
    cgroupFd: -1,
  });
  fs.closeSync(pidfd);
  const status = children.native.waitPid(pid, false);
  if (status !== 0) throw fail("Internal", `${argv.join(" ")} ended with status ${status}`);
}

/** Starts `sh -c script` with the stdio of `io` and hands it over. Returns its pid. */
export function startShell(rig: Rig, io: ProcessIo, script: string): number {
  const child = rig.children.native.spawn({
    file: "/bin/sh",
    argv: ["sh", "-c", script],
    env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"],
    stdio: io.stdio,
    keepFds: [],
    cloneFlags: 0,
    cgroupFd: -1,
  });
  fs.closeSync(child.pidfd);
  io.handedOver();
  return child.pid;
}

export function openReader(path: string): number {
  return fs.openSync(path, O_RDONLY | O_NONBLOCK);
}

export function openWriter(path: string): number {
  return fs.openSync(path, O_WRONLY | O_NONBLOCK);
}

/** Reads until `enough` says so of all that has come, or to the end; leaves the fd open. */
export async function read(
  rig: Rig,
  fd: number,
  enough: (text: string) => boolean = () => false,
): Promise<string> {
  const chunk = Buffer.alloc(65_536);
  let text = "";
  for (;;) {
    if (!(await rig.reactor.ready(fd, { timeoutMs: 8_000 }))) return `${text}[nothing comes]`;
    const got = rig.native.tryRead(fd, chunk, 0);
    if (got === 0) return text;
    if (got > 0) text += chunk.toString("latin1", 0, got);
    if (enough(text)) return text;
  }
}

/** Reads to the end and closes the fd. */
export async function readAll(rig: Rig, fd: number): Promise<string> {
  const text = await read(rig, fd);
  fs.closeSync(fd);
  return text;
}

/** The fds of this process with what they lead to, for comparing. */
export function openFds(): string[] {
  return fs
    .readdirSync("/proc/self/fd")
    .map((fd) => {
      try {
        return `${fd} ${fs.readlinkSync(`/proc/self/fd/${fd}`)}`;
      } catch {
        return "";
      }
    })
    .filter((line) => line !== "" && !line.endsWith("/fd"));
}

export async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until something holds, 5 s at most. */
export async function until(holds: () => boolean): Promise<boolean> {
  const end = Date.now() + 5_000;
  while (Date.now() < end && !holds()) await sleep(5);
  return holds();
}
