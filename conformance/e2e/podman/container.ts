/** Owns handles of containers that podman has made, and running one to its end. */
import { isAlive } from "../../harness/processes.ts";
import { eventually, until } from "../../harness/wait.ts";
import type { CommandResult } from "../command.ts";
import { cgroupParent, imageName, type PodmanOptions, podman } from "./engine.ts";

/** A shell command as arguments. */
export const shell = (script: string): string[] => ["sh", "-c", script];

const parent = ["--cgroup-parent", cgroupParent];

/** `podman run --rm FLAGS image COMMAND`. */
export function run(
  flags: readonly string[],
  command: readonly string[],
  options?: PodmanOptions,
): Promise<CommandResult> {
  return podman(["run", "--rm", ...parent, ...flags, imageName, ...command], options);
}

/** Runs a command to a good end and returns what it printed, trimmed. */
export async function output(
  flags: readonly string[],
  command: readonly string[],
): Promise<string> {
  return (await run(flags, command)).ok().text;
}

/** The part of `podman inspect`'s .State that cases look at. */
export interface State {
  Status: string;
  Running: boolean;
  Paused: boolean;
  OOMKilled: boolean;
  Pid: number;
  ConmonPid: number;
  ExitCode: number;
  Error: string;
}

/** A container by its id or name. */
export class Container {
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  /** `podman VERB FLAGS id REST`. */
  verb(verb: string, flags: readonly string[] = [], rest: readonly string[] = []) {
    return podman([verb, ...flags, this.id, ...rest]);
  }

  exec(
    command: readonly string[],
    flags: readonly string[] = [],
    options?: PodmanOptions,
  ): Promise<CommandResult> {
    return podman(["exec", ...flags, this.id, ...command], options);
  }

  /** What a command that must end well printed in it, trimmed. */
  async says(command: readonly string[], flags: readonly string[] = []): Promise<string> {
    return (await this.exec(command, flags)).ok().text;
  }

  /** `podman inspect --format '{{json FIELD}}'`. */
  async inspect<T>(field: string): Promise<T> {
    const { text } = (await this.verb("inspect", ["--format", `{{json ${field}}}`])).ok();
    return JSON.parse(text) as T;
  }

  state(): Promise<State> {
    return this.inspect<State>(".State");
  }

  /** Waits until `podman inspect` shows this status. */
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

  /** `podman wait`: its exit status. */
  async wait(): Promise<number> {
    return Number((await this.verb("wait")).ok().text);
  }
}

const sleeping = ["sleep", "1000"];

/** A program that prints "up" and ends by itself on TERM, with status 3. */
export const obedient = shell(
  "trap 'echo term; exit 3' TERM; echo up; while :; do sleep 0.1; done",
);

/** `podman run --detach`, by default of something that sleeps and needs a KILL to end. */
export async function up(
  flags: readonly string[] = [],
  command: readonly string[] = sleeping,
): Promise<Container> {
  const args = ["run", "--detach", ...parent, ...flags, imageName, ...command];
  return new Container((await podman(args)).ok().text);
}

/** `podman create`. */
export async function created(
  flags: readonly string[] = [],
  command: readonly string[] = sleeping,
): Promise<Container> {
  const args = ["create", ...parent, ...flags, imageName, ...command];
  return new Container((await podman(args)).ok().text);
}

/** Waits for a process's end. */
export async function untilGone(pid: number, timeoutMs = 10_000): Promise<void> {
  await until(`the end of process ${pid}`, () => !isAlive(pid), timeoutMs);
}
