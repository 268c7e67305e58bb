/** Owns calling the shim's executable as containerd does: containers as it lays them out, requests, and daemons. */
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { message } from "../e2e/containerd/wire.ts";
import { writeConfig } from "./bundle.ts";
import { idPrefix, runtimePath } from "./environment.ts";
import { allPids, isAlive } from "./processes.ts";
import { requires } from "./requires.ts";
import { scratch, scratchDirectory } from "./scratch.ts";
import { until } from "./wait.ts";

/** What containerd executes: a launcher that does the usual by itself. */
export const launcher = join(dirname(runtimePath), "containerd-shim-tsrunc-v2");
/** What is executed now: the launcher, or what it executes for all that is not usual. */
export let shim = launcher;
export const namespace = "conformance";
export const runcOptions = "containerd.runc.v1.Options";
const tomlOptions = "runtimeoptions.v1.Options";

let serial = 0;
const tasks: Task[] = [];

/** A container as containerd lays it out: a bundle of its own beside others, and a containerd that nobody else has. */
export class Task {
  readonly id = `${idPrefix}-shim-${++serial}`;
  readonly tasks: string;
  readonly bundle: string;
  readonly containerd: string;

  constructor(beside?: Task, annotations?: Record<string, string>) {
    this.tasks = beside?.tasks ?? scratchDirectory("tasks");
    this.bundle = join(this.tasks, this.id);
    this.containerd = beside?.containerd ?? join(this.tasks, "containerd.sock");
    mkdirSync(this.bundle, { mode: 0o700 });
    tasks.push(this);
    if (annotations !== undefined) writeConfig(this.bundle, { ociVersion: "1.0.2", annotations });
  }

  flags(...more: string[]): string[] {
    const own = ["-namespace", namespace, "-address", this.containerd];
    return [...own, "-publish-binary", "/usr/bin/containerd", "-id", this.id, ...more];
  }

  call(args: readonly string[], how: Call = {}): SpawnSyncReturns<Buffer> {
    return spawnSync(how.program ?? shim, args, {
      cwd: this.bundle,
      input: how.input ?? "",
      timeout: 10_000,
      env: { PATH: process.env["PATH"], TTRPC_ADDRESS: `${this.containerd}.ttrpc`, ...how.env },
    });
  }

  /** The answer of a start that has to succeed without a word on standard error. */
  start(how: Call = {}): Buffer {
    const { status, stdout, stderr } = this.call(this.flags("start"), how);
    expect([status, stderr.toString()]).to.deep.equal([0, ""]);
    return stdout;
  }

  /** containerd.runtime.bootstrap.v1.BootstrapParams of containerd 2.3; sockets go below the scratch directory. */
  params(more: Parameters<typeof message>[0] = []): Buffer {
    return message([
      [1, this.id],
      [2, namespace],
      [4, "2.3.0"],
      [5, `${this.containerd}.ttrpc`],
      [6, this.containerd],
      [9, socketDirectory()],
      ...more,
    ]);
  }

  delete(): SpawnSyncReturns<Buffer> {
    return this.call(this.flags("-bundle", this.bundle, "delete"));
  }

  /** Pid of the daemon that was started for this container, 0 without one. */
  daemon(): number {
    return daemons().find((pid) => linkIn(pid, "cwd") === this.bundle) ?? 0;
  }
}

export interface Call {
  readonly input?: Uint8Array;
  readonly env?: Record<string, string>;
  readonly program?: string;
}

let sockets = "";

export function socketDirectory(): string {
  if (sockets === "") {
    sockets = `/tmp/${idPrefix}s`;
    mkdirSync(sockets, { mode: 0o700 });
  }
  return sockets;
}

function linkIn(pid: number, name: string): string {
  try {
    return readlinkSync(`/proc/${pid}/${name}`);
  } catch {
    return "";
  }
}

/** Known by program and directory: right after its execve(2) a process has no command line yet. */
export function daemons(): number[] {
  return allPids().filter(
    (pid) =>
      /\/(tsrunc|containerd-shim-tsrunc-v2)( \(deleted\))?$/.test(linkIn(pid, "exe")) &&
      linkIn(pid, "cwd").startsWith(`${scratch()}/`),
  );
}

export function any(typeUrl: string, value: Uint8Array): Buffer {
  return message([
    [1, typeUrl],
    [2, value],
  ]);
}

export function toml(text: string): Buffer {
  return any(tomlOptions, message([[3, Buffer.from(text)]]));
}

export function pathIn(answer: Buffer): string {
  expect(answer.toString()).to.match(/^unix:\/\/\/[^\s]+\/[0-9a-f]{64}$/);
  return answer.toString().slice("unix://".length);
}

function threadsOf(pid: number): number {
  const path = `/proc/${pid}/task`;
  return existsSync(path) ? readdirSync(path).length : 0;
}

export async function endProcess(pid: number, signal: NodeJS.Signals): Promise<void> {
  process.kill(pid, signal);
  // the first thread may be a zombie already while others still hold the sockets
  await until(`end of ${pid}`, () => !isAlive(pid) && threadsOf(pid) <= 1);
}

/**
 * A suite about the shim's executable, for the launcher and for the engine behind it; skipped for a runtime that has
 * none beside it. No daemon outlives its test.
 */
export function describeShim(title: string, body: () => void): void {
  suite(`${title} by its launcher`, () => launcher, body);
  suite(`${title} by the engine`, linkToEngine, body);
}

/** The engine goes by the name that it is called by. */
export function linkToEngine(): string {
  const link = join(scratchDirectory("engine"), "containerd-shim-tsrunc-v2");
  symlinkSync(runtimePath, link);
  return link;
}

function suite(title: string, program: () => string, body: () => void): void {
  describe(title, function () {
    this.timeout(30_000);

    before(function () {
      requires({ root: true }).call(this);
      if (!existsSync(launcher)) this.skip();
      shim = program();
    });

    afterEach(async () => {
      for (const pid of daemons()) await endProcess(pid, "SIGTERM");
      // removes the sockets of those that had no time to do it
      for (const task of tasks.splice(0)) task.delete();
    });

    after(() => {
      if (sockets === "") return;
      const left = readdirSync(sockets);
      rmSync(sockets, { recursive: true });
      sockets = "";
      expect(left, "sockets of shims that have ended").to.deep.equal([]);
    });

    body();
  });
}
