/** Owns the handle of one container under test: its id, its bundle, a method for each verb, and removal afterwards. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type Bundle, type Config, makeBundle, writeConfig } from "./bundle.ts";
import { idPrefix, runtimeFlags, runtimePath } from "./environment.ts";
import { jsonLines, type Outcome, parseReport, type Report } from "./probe.ts";
import { type InvokeOptions, invoke, type Launched, launch, type Result } from "./runtime.ts";
import { scratchPath, stateRoot } from "./scratch.ts";
import { until } from "./wait.ts";

/** What `state` prints. */
export interface State {
  ociVersion: string;
  id: string;
  pid: number;
  status: string;
  bundle: string;
  rootfs: string;
  created: string;
  annotations?: Record<string, string>;
  owner: string;
}

/** Command line flags of a verb, as given to the runtime. */
export type Flags = readonly string[];

let serial = 0;
const alive = new Set<Container>();

export class Container {
  readonly id: string;
  readonly bundle: Bundle;
  /** Result of the last create or run: its stdout file is the container's. */
  private creator: Result | undefined;
  private creatorOutput: (() => string) | undefined;

  constructor(bundle: Bundle, id: string) {
    this.bundle = bundle;
    this.id = id;
    alive.add(this);
  }

  /** Any command on this container: `verb FLAGS... ID REST...`. */
  command(verb: string, flags: Flags = [], rest: Flags = [], options: InvokeOptions = {}): Result {
    return invoke([verb, ...flags, this.id, ...rest], options);
  }

  create(flags: Flags = [], options: InvokeOptions = {}): Result {
    this.creator = this.command("create", ["--bundle", this.bundle.path, ...flags], [], options);
    return this.creator;
  }

  /** The words of `create` for a program that runs the runtime itself. */
  createCommand(flags: Flags = []): string[] {
    const verb = ["create", "--bundle", this.bundle.path, ...flags, this.id];
    return [runtimePath, ...runtimeFlags, "--root", stateRoot(), ...verb];
  }

  /** Foreground (unless the flags say --detach) and blocking. */
  run(flags: Flags = [], options: InvokeOptions = {}): Result {
    this.creator = this.command("run", ["--bundle", this.bundle.path, ...flags], [], options);
    return this.creator;
  }

  /** Foreground, not waited for. */
  launchRun(flags: Flags = [], options: InvokeOptions = {}): Launched {
    const launched = launch(["run", "--bundle", this.bundle.path, ...flags, this.id], options);
    this.creatorOutput = launched.stdout;
    return launched;
  }

  start(): Result {
    return this.command("start");
  }

  /** Creates and starts; both must succeed. */
  up(flags: Flags = [], options: InvokeOptions = {}): this {
    this.create(flags, options).ok();
    this.start().ok();
    return this;
  }

  kill(signal?: string, flags: Flags = []): Result {
    return this.command("kill", flags, signal === undefined ? [] : [signal]);
  }

  delete(flags: Flags = []): Result {
    return this.command("delete", flags);
  }

  exec(args: Flags, flags: Flags = [], options: InvokeOptions = {}): Result {
    return this.command("exec", flags, args, options);
  }

  launchExec(args: Flags, flags: Flags = [], options: InvokeOptions = {}): Launched {
    return launch(["exec", ...flags, this.id, ...args], options);
  }

  /** Runs the probe by exec and returns its report. */
  execReport(flags: Flags = [], ...sections: string[]): Report {
    return parseReport(this.exec(["/probe", "report", ...sections], flags).ok().stdout);
  }

  pause(): Result {
    return this.command("pause");
  }

  resume(): Result {
    return this.command("resume");
  }

  update(flags: Flags, options: InvokeOptions = {}): Result {
    return this.command("update", flags, [], options);
  }

  /** The parsed `state`; throws when the command fails. */
  state(): State {
    return JSON.parse(this.command("state").ok().stdout) as State;
  }

  /** Status, or "absent" when the runtime says that it does not exist. */
  status(): string {
    const result = this.command("state");
    return result.status === 0 ? (JSON.parse(result.stdout) as State).status : "absent";
  }

  /** Polls `state`; every poll is a process, so this is for what /proc cannot tell. */
  async reaches(status: string, timeoutMs = 10_000): Promise<void> {
    await until(`${this.id} to be ${status}`, () => this.status() === status, timeoutMs);
  }

  /** The container's own output so far (create, run or launchRun). */
  output(): string {
    return this.creatorOutput?.() ?? this.creator?.stdout ?? "";
  }

  /** Waits until the output matches. */
  async prints(pattern: RegExp, timeoutMs = 10_000): Promise<string> {
    return until(`${pattern} in ${this.id}`, () => pattern.exec(this.output())?.[0], timeoutMs);
  }

  /** The first report in the output, once it is complete. */
  async report(timeoutMs = 10_000): Promise<Report> {
    await until(`a report of ${this.id}`, () => jsonLines(this.output()).length > 0, timeoutMs);
    return parseReport(this.output());
  }

  /** The outcomes of the probe's actions in the output. */
  outcomes(): Outcome[] {
    return jsonLines<Outcome>(this.output()).filter((line) => "action" in line);
  }

  /** Rewrites the bundle's config; the container, when it exists, must not care. */
  rewrite(edit: (config: Config) => void): void {
    edit(this.bundle.config);
    writeConfig(this.bundle.path, this.bundle.config);
  }

  /** Takes config.json away, as an engine may that cleans its bundles early. */
  removeConfig(): void {
    rmSync(`${this.bundle.path}/config.json`);
  }

  stateDirectory(): string {
    return `${stateRoot()}/${this.id}`;
  }

  /** Removes the container whatever its state. */
  destroy(): void {
    alive.delete(this);
    if (existsSync(this.stateDirectory())) this.delete(["--force"]);
    rmSync(this.bundle.path, { recursive: true, force: true });
  }
}

/** A new container (not yet created) with the base config after `edit`; it is removed after the test. */
export function container(edit?: (config: Config) => void): Container {
  return new Container(makeBundle(edit), `${idPrefix}-${++serial}`);
}

/** A container whose PID 1 sleeps until it is killed. */
export function sleeper(edit?: (config: Config) => void): Container {
  return container((config) => {
    config.process.args = ["/probe", "sleep"];
    edit?.(config);
  });
}

/** Runs the probe in the foreground with the edited config and returns its report; the container is gone afterwards. */
export function runReport(edit?: (config: Config) => void, flags: Flags = []): Report {
  return parseReport(container(edit).run(flags).ok().stdout);
}

/** Runs the probe's actions in the foreground and returns their outcomes. */
export function runActions(actions: readonly string[], edit?: (config: Config) => void): Outcome[] {
  const made = container((config) => {
    config.process.args = ["/probe", ...actions];
    edit?.(config);
  });
  return jsonLines<Outcome>(made.run().ok().stdout);
}

/** Runs a script of busybox sh in the foreground and returns what it prints; the container is gone afterwards. */
export function runShell(script: string, edit?: (config: Config) => void): string {
  const made = container((config) => {
    config.process.args = ["/bin/sh", "-c", script];
    edit?.(config);
  });
  return made.run().ok().stdout;
}

/** Removes all containers of the current test. */
export function destroyAll(): void {
  for (const one of [...alive]) one.destroy();
}

/** A file in the scratch tree that holds the text; for --process, --resources and the like. */
export function textFile(label: string, text: string): string {
  const path = scratchPath(label);
  writeFileSync(path, text);
  return path;
}

/** Reads a pid file as callers do: the digits and nothing else. */
export function readPidFile(path: string): number {
  const text = readFileSync(path, "utf8");
  if (!/^\d+$/.test(text)) throw new Error(`pid file holds ${JSON.stringify(text)}`);
  return Number(text);
}
