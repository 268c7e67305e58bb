/** Owns the containerd of the run: private directories and sockets on a tmpfs, its start, its end, its log. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { runToken } from "../../harness/environment.ts";
import { readOrEmpty } from "../../harness/processes.ts";
import { scratchDirectory } from "../../harness/scratch.ts";
import { until } from "../../harness/wait.ts";
import { containerdBin, daemonPath } from "./subject.ts";

let base: string | undefined;

/** The run's own file system: containerd syncs its database after each step, which a disk makes slow. */
export function home(): string {
  if (base === undefined) {
    base = scratchDirectory("containerd");
    execFileSync("mount", ["-t", "tmpfs", "-o", "mode=0755", "tmpfs", base]);
    mkdirSync(join(base, "fifo"), { mode: 0o700 });
  }
  return base;
}

/** The run's file system, if there is one already. */
export function homeIfUsed(): string | undefined {
  return base;
}

export function removeHome(): void {
  if (base !== undefined) execFileSync("umount", ["--lazy", base]);
  base = undefined;
}

/** A new directory in the run's file system. */
let serial = 0;
export function workDirectory(label: string): string {
  const path = join(home(), `${label}-${++serial}`);
  mkdirSync(path, { mode: 0o755 });
  return path;
}

export function address(): string {
  return join(home(), "containerd.sock");
}

export function fifoDirectory(): string {
  return join(home(), "fifo");
}

/** The directory that containerd keeps a container's bundle in. */
export function bundleOf(namespace: string, id: string): string {
  return join(home(), "state", "io.containerd.runtime.v2.task", namespace, id);
}

const criPlugins = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.cri.v1.images",
  "io.containerd.cri.v1.runtime",
];

/** Plugins that no suite has a use for: they look for programs, make directories elsewhere, or open ports. */
const disabled = [
  "io.containerd.internal.v1.opt",
  "io.containerd.nri.v1.nri",
  "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
  ...["aufs", "btrfs", "blockfile", "devmapper", "erofs", "native", "zfs"].map(
    (name) => `io.containerd.snapshotter.v1.${name}`,
  ),
];

/** What a suite of Kubernetes' interface adds to the daemon. */
export interface CriSetup {
  /** Tables for the configuration. */
  readonly tables: () => string;
  /** Version of the configuration's format. */
  readonly version: 2 | 3;
  /** What precedes containerd on its command line. */
  readonly wrapper: () => readonly string[];
}

let cri: CriSetup | undefined;

/** Lets the daemon serve Kubernetes' interface from the next start on. */
export function enableCri(setup: CriSetup): void {
  cri = setup;
}

function writeConfig(): string {
  const path = join(home(), "config.toml");
  const quoted = (text: string) => JSON.stringify(text);
  const unused = cri === undefined ? [...criPlugins, ...disabled] : disabled;
  writeFileSync(
    path,
    [
      `version = ${cri?.version ?? 2}`,
      `root = ${quoted(join(home(), "root"))}`,
      `state = ${quoted(join(home(), "state"))}`,
      `disabled_plugins = [${unused.map(quoted).join(", ")}]`,
      "[grpc]",
      `address = ${quoted(address())}`,
      "[ttrpc]",
      `address = ${quoted(`${address()}.ttrpc`)}`,
      "[debug]",
      `level = ${quoted(process.env["CONTAINERD_LOG_LEVEL"] || "info")}`,
      cri?.tables() ?? "",
    ].join("\n"),
  );
  return path;
}

let child: ChildProcess | undefined;

function answers(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address());
    socket.on("connect", () => resolve(true));
    socket.on("error", () => resolve(false));
    socket.on("close", () => socket.destroy());
    socket.on("connect", () => socket.end());
  });
}

/** Starts containerd; resolves when it accepts connections. Its log is appended to `log` in the home directory. */
export async function startDaemon(): Promise<void> {
  if (child !== undefined) throw new Error("containerd is running");
  const config = writeConfig();
  const log = openSync(join(home(), "log"), "a");
  const [token, value] = runToken.split("=") as [string, string];
  const wrapper = cri?.wrapper() ?? [];
  const command = [...wrapper, join(containerdBin, "containerd"), "--config", config];
  child = spawn(command[0] ?? "", command.slice(1), {
    stdio: ["ignore", log, log],
    env: { ...process.env, PATH: daemonPath, [token]: value },
  });
  closeSync(log);
  const started = child;
  let ready = false;
  await until("containerd's end or socket", () => {
    if (started.exitCode !== null)
      throw new Error(`containerd ended:\n${daemonLog().slice(-4000)}`);
    void answers().then((value) => {
      ready ||= value;
    });
    return ready;
  });
}

/** Ends containerd with a signal; what it started keeps running. */
export async function stopDaemon(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
  const ending = child;
  if (ending === undefined) return;
  child = undefined;
  if (ending.exitCode !== null || ending.signalCode !== null) return;
  const gone = new Promise((resolve) => ending.on("exit", resolve));
  ending.kill(signal);
  await gone;
}

/** True while containerd is meant to be running. */
export function daemonRuns(): boolean {
  return child !== undefined;
}

export function daemonPid(): number {
  return child?.pid ?? -1;
}

export function daemonLog(): string {
  return readOrEmpty(join(home(), "log"));
}

/** What the daemon has logged since the text had this length. */
export function daemonLogSince(length: number): string {
  return readFileSync(join(home(), "log"), "utf8").slice(length);
}
