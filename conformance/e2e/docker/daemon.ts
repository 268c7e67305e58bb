/** Owns the dockerds of the run: each with its own directories, socket, containerd and network namespace; their start and end. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { idPrefix } from "../../harness/environment.ts";
import { allPids, commandOf, isAlive, readOrEmpty } from "../../harness/processes.ts";
import { scratchDirectory } from "../../harness/scratch.ts";
import { onPty, type Terminal } from "../../harness/terminal.ts";
import { sleep } from "../../harness/wait.ts";
import {
  type CommandOptions,
  type CommandResult,
  launchCommand,
  markedEnvironment,
  type Running,
} from "../command.ts";
import {
  daemonPath,
  daemonProgram,
  dockerAtLeast,
  dockerProgram,
  registration,
  runtimeName,
} from "./subject.ts";

let base: string | undefined;

/** The run's own file system: Docker syncs what it writes, which a disk makes slow. */
export function home(): string {
  if (base === undefined) {
    base = scratchDirectory("docker");
    execFileSync("mount", ["-t", "tmpfs", "-o", "mode=0755", "tmpfs", base]);
    // What daemons share with containers must be able to propagate.
    execFileSync("mount", ["--make-shared", base]);
  }
  return base;
}

/** The run's file system, if there is one already. */
export function homeIfUsed(): string | undefined {
  return base;
}

export function removeHome(): void {
  if (base !== undefined) execFileSync("umount", ["--recursive", "--lazy", base]);
  base = undefined;
}

/** A new directory in the run's file system. */
let serial = 0;
export function workDirectory(label: string): string {
  const path = join(home(), `${label}-${++serial}`);
  mkdirSync(path, { mode: 0o755 });
  return path;
}

/** A file with this text in the run's file system. */
export function workFile(name: string, text: string, mode = 0o644): string {
  const path = join(workDirectory("file"), name);
  writeFileSync(path, text, { mode });
  return path;
}

/** All daemons made so far. */
export const daemons: Daemon[] = [];

export class Daemon {
  readonly name: string;
  readonly home: string;
  /** File that keeps the network namespace. */
  readonly netns: string;
  /** Parent of the cgroups of its containers. */
  readonly cgroupParent: string;
  private readonly settings: Record<string, unknown>;
  private child: ChildProcess | undefined;

  /** Makes its directory and network namespace. `settings` are members of daemon.json. */
  constructor(name: string, settings: Record<string, unknown> = {}) {
    this.name = name;
    this.home = join(home(), name);
    this.netns = join(this.home, "netns");
    this.cgroupParent = `/${idPrefix}-${name}`;
    this.settings = settings;
    mkdirSync(this.home, { mode: 0o755 });
    writeFileSync(this.netns, "");
    execFileSync("unshare", [`--net=${this.netns}`, "ip", "link", "set", "lo", "up"]);
    daemons.push(this);
  }

  get socket(): string {
    return join(this.home, "docker.sock");
  }

  get dataRoot(): string {
    return join(this.home, "data");
  }

  get execRoot(): string {
    return join(this.home, "exec");
  }

  /** Directory in which Docker's own shim has the runtime keep the state of containers. */
  get stateRoot(): string {
    return join(this.execRoot, dockerAtLeast("23.0.0") ? "runtime-subject" : "runtime-runc");
  }

  get pid(): number {
    return this.child?.pid ?? -1;
  }

  /** True while it is meant to be running. */
  get runs(): boolean {
    return this.child !== undefined;
  }

  get log(): string {
    return readOrEmpty(join(this.home, "log"));
  }

  private writeConfig(): string {
    const path = join(this.home, "daemon.json");
    const settings = {
      "data-root": this.dataRoot,
      "exec-root": this.execRoot,
      pidfile: join(this.home, "pid"),
      hosts: [`unix://${this.socket}`],
      "cgroup-parent": this.cgroupParent,
      "storage-driver": "overlay2",
      runtimes: { [runtimeName]: registration() },
      "default-runtime": runtimeName,
      "shutdown-timeout": 5,
      ...this.settings,
    };
    writeFileSync(path, JSON.stringify(settings, undefined, 2));
    return path;
  }

  /** Starts dockerd and with it containerd; resolves when the API answers. */
  async start(): Promise<void> {
    if (this.child !== undefined) throw new Error(`${this.name} is running`);
    const log = openSync(join(this.home, "log"), "a");
    const args = [`--net=${this.netns}`, daemonProgram(), "--config-file", this.writeConfig()];
    const env = { ...markedEnvironment(), PATH: daemonPath };
    const child = spawn("nsenter", args, { stdio: ["ignore", log, log], env });
    closeSync(log);
    this.child = child;
    const deadline = Date.now() + 40_000;
    for (;;) {
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`dockerd does not start:\n${this.log.slice(-4000)}`);
      if (existsSync(this.socket)) {
        const { status } = await this.docker(["version"], { timeoutMs: 10_000 });
        if (status === 0) return;
      }
      await sleep(50);
    }
  }

  /** Ends dockerd. With SIGTERM it stops its containers and its containerd; with SIGKILL both keep running. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const ending = this.child;
    if (ending === undefined) return;
    this.child = undefined;
    if (ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = new Promise((resolve) => ending.on("exit", resolve));
    ending.kill(signal);
    await gone;
  }

  /** Pid of the containerd that dockerd started. */
  containerdPid(): number {
    const config = join(this.execRoot, "containerd", "containerd.toml");
    const found = allPids().find((pid) => isAlive(pid) && commandOf(pid).includes(config));
    if (found === undefined) throw new Error(`${this.name} has no containerd`);
    return found;
  }

  private commandLine(args: readonly string[]): string[] {
    return ["--host", `unix://${this.socket}`, ...args];
  }

  /** Starts the client without waiting for it. */
  launch(args: readonly string[], options: CommandOptions = {}): Running {
    const env = { DOCKER_CONFIG: join(this.home, "client"), DOCKER_BUILDKIT: "0", ...options.env };
    const settings = { ...options, env };
    return launchCommand(dockerProgram(), this.commandLine(args), settings, ["docker", ...args]);
  }

  /** Runs the client to its end. */
  docker(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return this.launch(args, options).done;
  }

  /** Runs the client on a terminal of its own. */
  onPty(args: readonly string[], rows = 24, cols = 80): Terminal {
    return onPty([dockerProgram(), ...this.commandLine(args)], rows, cols, {
      env: { DOCKER_CONFIG: join(this.home, "client") },
    });
  }

  /** Runs a program of the host in the daemon's network. */
  inNetwork(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return launchCommand("nsenter", [`--net=${this.netns}`, ...command], options).done;
  }

  /** Takes the network namespace away; the kernel ends it once nothing is in it. */
  dropNetwork(): void {
    execFileSync("umount", [this.netns]);
  }
}
