/** Owns handles of containers that a daemon of the run has made, and running one to its end. */
import { isAlive } from "../../harness/processes.ts";
import { eventually, until } from "../../harness/wait.ts";
import type { CommandOptions, CommandResult, Running } from "../command.ts";
import type { Daemon } from "./daemon.ts";
import { imageName } from "./image.ts";

let main: Daemon | undefined;

/** Sets the daemon that cases use when they name none. */
export function useDaemon(daemon: Daemon): void {
  main = daemon;
}

/** The daemon of the run. */
export function mainDaemon(): Daemon {
  if (main === undefined) throw new Error("no daemon yet");
  return main;
}

/** `docker ARGS` with the run's daemon. */
export function docker(args: readonly string[], options?: CommandOptions): Promise<CommandResult> {
  return mainDaemon().docker(args, options);
}

/** A shell command as arguments. */
export const shell = (script: string): string[] => ["sh", "-c", script];

/** `docker run --rm FLAGS image COMMAND`. */
export function run(
  flags: readonly string[],
  command: readonly string[],
  options?: CommandOptions,
): Promise<CommandResult> {
  return docker(["run", "--rm", ...flags, imageName, ...command], options);
}

/** Runs a command to a good end and returns what it printed, trimmed. */
export async function output(
  flags: readonly string[],
  command: readonly string[],
): Promise<string> {
  return (await run(flags, command)).ok().text;
}

/** The part of `docker inspect`'s .State that cases look at. */
export interface State {
  Status: string;
  Running: boolean;
  Paused: boolean;
  OOMKilled: boolean;
  Pid: number;
  ExitCode: number;
  Error: string;
  Health?: { Status: string; FailingStreak: number; Log: { ExitCode: number; Output: string }[] };
}

/** A container by its id or name. */
export class Container {
  readonly id: string;
  readonly daemon: Daemon;

  constructor(id: string, daemon: Daemon = mainDaemon()) {
    this.id = id;
    this.daemon = daemon;
  }

  /** `docker VERB FLAGS id REST`. */
  verb(verb: string, flags: readonly string[] = [], rest: readonly string[] = []) {
    return this.daemon.docker([verb, ...flags, this.id, ...rest]);
  }

  exec(
    command: readonly string[],
    flags: readonly string[] = [],
    options?: CommandOptions,
  ): Promise<CommandResult> {
    return this.daemon.docker(["exec", ...flags, this.id, ...command], options);
  }

  /** What a command that must end well printed in it, trimmed. */
  async says(command: readonly string[], flags: readonly string[] = []): Promise<string> {
    return (await this.exec(command, flags)).ok().text;
  }

  launchExec(
    command: readonly string[],
    flags: readonly string[] = [],
    options?: CommandOptions,
  ): Running {
    return this.daemon.launch(["exec", ...flags, this.id, ...command], options);
  }

  /** `docker inspect --format '{{json FIELD}}'`. */
  async inspect<T>(field = "."): Promise<T> {
    const { text } = (await this.verb("inspect", ["--format", `{{json ${field}}}`])).ok();
    return JSON.parse(text) as T;
  }

  state(): Promise<State> {
    return this.inspect<State>(".State");
  }

  /** Waits until `docker inspect` shows this status. */
  async reaches(status: string, timeoutMs = 15_000): Promise<State> {
    return eventually(
      `${this.id} to be ${status}`,
      async () => {
        const state = await this.state();
        return state.Status === status ? state : undefined;
      },
      timeoutMs,
    );
  }

  /** Host pid of its first process. */
  async pid(): Promise<number> {
    return (await this.state()).Pid;
  }

  /** Both outputs so far, as `docker logs` has them. */
  async logs(): Promise<string> {
    const { stdout, stderr } = (await this.verb("logs")).ok();
    return stdout + stderr;
  }

  async start(): Promise<this> {
    (await this.verb("start")).ok();
    return this;
  }

  /** `docker wait`: its exit status. */
  async wait(): Promise<number> {
    return Number((await this.verb("wait")).ok().text);
  }

  async remove(flags: readonly string[] = ["--force"]): Promise<void> {
    (await this.verb("rm", flags)).ok();
  }
}

const sleeping = ["sleep", "1000"];

/** `docker run --detach`, by default of something that sleeps and needs a KILL to end. */
export async function up(
  flags: readonly string[] = [],
  command: readonly string[] = sleeping,
  daemon: Daemon = mainDaemon(),
): Promise<Container> {
  const args = ["run", "--detach", ...flags, imageName, ...command];
  return new Container((await daemon.docker(args)).ok().text, daemon);
}

/** `docker create`. */
export async function created(
  flags: readonly string[] = [],
  command: readonly string[] = sleeping,
): Promise<Container> {
  return new Container((await docker(["create", ...flags, imageName, ...command])).ok().text);
}

/** Waits for a process's end. */
export async function untilGone(pid: number, timeoutMs = 10_000): Promise<void> {
  await until(`the end of process ${pid}`, () => !isAlive(pid), timeoutMs);
}
