/** Owns running `ctr` against the run's containerd, and handles of containers made by it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { baseConfig, type Config } from "../../harness/bundle.ts";
import { idPrefix } from "../../harness/environment.ts";
import { isAlive, parentOf } from "../../harness/processes.ts";
import { onPty, type Terminal } from "../../harness/terminal.ts";
import { until } from "../../harness/wait.ts";
import {
  type CommandOptions,
  type CommandResult,
  launchCommand,
  type Running,
} from "../command.ts";
import { address, bundleOf, fifoDirectory, workDirectory } from "./daemon.ts";
import { imageName } from "./image.ts";
import { containerdBin, runtimeType } from "./subject.ts";
import type { ShimAddress } from "./wire.ts";

/** Namespace of the run in containerd, and so the name of its cgroups' parent. */
export const mainNamespace = `${idPrefix}-e2e`;
/** A second one. */
export const otherNamespace = `${mainNamespace}-other`;
export const namespaces = [mainNamespace, otherNamespace];

export interface CtrOptions extends CommandOptions {
  namespace?: string;
}

function commandLine(args: readonly string[], namespace = mainNamespace): string[] {
  return ["--address", address(), "--namespace", namespace, ...args];
}

const program = join(containerdBin, "ctr");
/** Starts ctr with pipes. */
export function launch(args: readonly string[], options: CtrOptions = {}): Running {
  return launchCommand(program, commandLine(args, options.namespace), options, ["ctr", ...args]);
}

/** Runs ctr to its end. */
export function ctr(args: readonly string[], options: CtrOptions = {}): Promise<CommandResult> {
  return launch(args, options).done;
}

/** Runs ctr on a pty of its own. */
export function ctrOnPty(args: readonly string[], rows = 24, cols = 80): Terminal {
  return onPty([program, ...commandLine(args)], rows, cols);
}

let serial = 0;

/** Every id and group so far: each may have a socket. */
export const socketNames: string[] = [];

/** A new id, of a container or of a group. */
export function freshId(): string {
  const id = `${idPrefix}-${++serial}`;
  socketNames.push(id);
  return id;
}

export type TaskStatus = "CREATED" | "RUNNING" | "STOPPED" | "PAUSED" | "UNKNOWN";

export interface Task {
  readonly id: string;
  readonly pid: number;
  readonly status: TaskStatus;
}

export async function tasks(namespace = mainNamespace): Promise<Task[]> {
  const { stdout } = (await ctr(["task", "ls"], { namespace })).ok();
  const rows = stdout.trim().split("\n").slice(1);
  return rows.map((row) => {
    const [id = "", pid, status] = row.trim().split(/\s+/);
    return { id, pid: Number(pid), status: status as TaskStatus };
  });
}

/** `ctr run` of the image with the runtime under test; for what no handle is needed for. */
export function runArgs(
  flags: readonly string[],
  id: string,
  command: readonly string[],
): string[] {
  return [
    "run",
    "--runtime",
    runtimeType,
    ...(flags.includes("--log-uri") || flags.includes("--null-io")
      ? []
      : ["--fifo-dir", fifoDirectory()]),
    ...flags,
    ...(flags.includes("--config") ? [] : [imageName]),
    id,
    ...command,
  ];
}

/** A container and its verbs. */
export class Container {
  readonly id: string;
  readonly namespace: string;
  private execs = 0;

  constructor(namespace = mainNamespace, id = freshId()) {
    this.id = id;
    this.namespace = namespace;
  }

  /** `ctr run` to its end. */
  run(flags: readonly string[], command: readonly string[], options: CtrOptions = {}) {
    return ctr(runArgs(flags, this.id, command), { namespace: this.namespace, ...options });
  }

  /** `ctr run` in a directory instead of an image. */
  runRootfs(rootfs: string, flags: readonly string[], command: readonly string[]) {
    const args = ["run", "--runtime", runtimeType, ...flags, "--rootfs", rootfs, this.id];
    return ctr([...args, ...command], { namespace: this.namespace });
  }

  /** `ctr run` without waiting for it. */
  launch(flags: readonly string[], command: readonly string[], options: CtrOptions = {}): Running {
    return launch(runArgs(flags, this.id, command), { namespace: this.namespace, ...options });
  }

  /** `ctr run --detach`, by default of something that sleeps. */
  async up(flags: readonly string[] = [], command: readonly string[] = ["sleep", "1000"]) {
    (await this.run(["--detach", ...flags], command)).ok();
    return this;
  }

  /** `up` with a config of one's own, on the shared root filesystem, sleeping unless the edit says otherwise. */
  async upWithConfig(edit: (config: Config) => void): Promise<this> {
    (await this.runWithConfig(["--detach"], edit)).ok();
    return this;
  }

  /** `ctr run` with a config of one's own. */
  runWithConfig(flags: readonly string[], edit: (config: Config) => void): Promise<CommandResult> {
    const config = baseConfig();
    config.process.args = ["/bin/sleep", "1000"];
    config.linux.cgroupsPath = `/${this.namespace}/${this.id}`;
    edit(config);
    const file = join(workDirectory("config"), "config.json");
    writeFileSync(file, JSON.stringify(config));
    return this.run([...flags, "--config", file], []);
  }

  /** `up` of something on a terminal: ctr demands one of its own even so. */
  async upOnTerminal(command: readonly string[]): Promise<this> {
    const terminal = ctrOnPty(runArgs(["--detach", "--tty"], this.id, command));
    if ((await terminal.exit()) !== 0) throw new Error(`ctr run --tty: ${terminal.output}`);
    return this;
  }

  /** `ctr task VERB ... ID ...`. */
  task(verb: string, flags: readonly string[] = [], rest: readonly string[] = []) {
    return ctr(["task", verb, ...flags, this.id, ...rest], { namespace: this.namespace });
  }

  exec(command: readonly string[], flags: readonly string[] = [], options: CtrOptions = {}) {
    return ctr(this.execArgs(command, flags), { namespace: this.namespace, ...options });
  }

  launchExec(
    command: readonly string[],
    flags: readonly string[] = [],
    options: CtrOptions = {},
  ): Running {
    return launch(this.execArgs(command, flags), { namespace: this.namespace, ...options });
  }

  execArgs(command: readonly string[], flags: readonly string[] = []): string[] {
    const named = flags.includes("--exec-id") ? [] : ["--exec-id", `e${++this.execs}`];
    const fifos = flags.includes("--log-uri") ? [] : ["--fifo-dir", fifoDirectory()];
    return ["task", "exec", ...fifos, ...named, ...flags, this.id, ...command];
  }

  /** The row of `ctr task ls`. */
  async row(): Promise<Task | undefined> {
    return (await tasks(this.namespace)).find(({ id }) => id === this.id);
  }

  async status(): Promise<TaskStatus | undefined> {
    return (await this.row())?.status;
  }

  /** Waits until `ctr task ls` shows this status. */
  async reaches(status: TaskStatus, timeoutMs = 10_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    let seen: TaskStatus | undefined;
    while (Date.now() < deadline) {
      seen = await this.status();
      if (seen === status) return;
    }
    throw new Error(`${this.id}: is ${seen}, not ${status}`);
  }

  /** Host pid of the container's first process. */
  async pid(): Promise<number> {
    const pid = (await this.row())?.pid;
    if (pid === undefined) throw new Error(`${this.id}: no task`);
    return pid;
  }

  /** The shim: the parent of what it started. */
  async shim(): Promise<number> {
    return parentOf(await this.pid());
  }

  /** Where the shim listens. */
  shimAddress(): ShimAddress {
    const bundle = bundleOf(this.namespace, this.id);
    const known = readText(join(bundle, "bootstrap.json")) ?? readText(join(bundle, "address"));
    if (known === undefined) throw new Error(`${bundle} names no address`);
    // 1.x knows version 2 only, and its file is the bare address.
    const { address: url, version } = known.startsWith("{")
      ? (JSON.parse(known) as { address: string; version: number })
      : { address: known.trim(), version: 2 };
    const service = `containerd.task.v${version}.Task`;
    return { path: url.replace(/^unix:\/\//, ""), service };
  }

  async kill(signal = "SIGKILL", flags: readonly string[] = []): Promise<void> {
    (await this.task("kill", ["--signal", signal, ...flags])).ok();
  }

  /** Ends the first process and waits until that is known. */
  async stop(): Promise<void> {
    await this.kill();
    await this.reaches("STOPPED");
  }

  /** `ctr task delete` and `ctr container delete`; the task's exit status, which ctr tells as a warning. */
  async remove(): Promise<number> {
    const { stderr } = (await this.task("delete")).ok();
    const status = Number(/non-zero exit code (\d+)/.exec(stderr)?.[1] ?? 0);
    (await ctr(["container", "delete", this.id], { namespace: this.namespace })).ok();
    return status;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Waits for a process's end. */
export async function untilGone(pid: number, timeoutMs = 10_000): Promise<void> {
  await until(`the end of process ${pid}`, () => !isAlive(pid), timeoutMs);
}
