/** Owns the dockerds of the run: each with its own directories, socket, containerd and network namespace; their start and end. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { idPrefix, runtimePath } from "../../harness/environment.ts";
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
import { daemonPath, daemonProgram, dockerProgram, registration, runtimeName } from "./subject.ts";

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

/** How the cgroups of the run begin; the dash tells cfm12 from cfm123. */
export const cgroupPrefix = `${idPrefix}-`;

/** All daemons made so far. */
export const daemons: Daemon[] = [];

export class Daemon {
  readonly name: string;
  readonly home: string;
  /** File that keeps the network namespace. */
  readonly netns: string;
  /** Parent of the cgroups of its containers. */
  readonly cgroupParent: string;
  /** How many veth interfaces it has of its own: one in a swarm, for the ingress network. */
  ownLinks = 0;
  private readonly settings: Record<string, unknown>;
  private readonly files: Readonly<Record<string, string>>;
  private child: ChildProcess | undefined;

  /**
   * Makes its directory and network namespace. `settings` are members of daemon.json; `files` maps files of the host to
   * texts that this daemon sees in their place, in a mount namespace of its own.
   */
  constructor(
    name: string,
    settings: Record<string, unknown> = {},
    files: Readonly<Record<string, string>> = {},
  ) {
    this.name = name;
    this.home = join(home(), name);
    this.netns = join(this.home, "netns");
    this.cgroupParent = `/${cgroupPrefix}${name}`;
    this.settings = settings;
    this.files = files;
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

  /** Directory in which Docker's own shim has the runtime keep the state of containers, whatever the runtime. */
  get stateRoot(): string {
    return join(this.execRoot, "runtime-runc");
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

  /** The command that becomes dockerd in the right namespaces. */
  private daemonCommand(): string[] {
    const daemon = [daemonProgram(), "--config-file", this.writeConfig()];
    const command = ["nsenter", `--net=${this.netns}`];
    const names = Object.keys(this.files);
    if (names.length === 0) return [...command, ...daemon];
    const mounts = names.map((name, index) => {
      const own = join(this.home, `file-${index}`);
      writeFileSync(own, this.files[name] ?? "");
      return `mount --bind ${own} ${name}`;
    });
    const script = [...mounts, 'exec "$@"'].join(" && ");
    const unshare = ["unshare", "--mount", "--propagation", "slave"];
    return [...command, ...unshare, "sh", "-c", script, "dockerd", ...daemon];
  }

  /** dockerd waits for a containerd that is a zombie; where PID 1 reaps late or never, each killed one becomes one. */
  private forgetDeadContainerd(): void {
    const file = join(this.execRoot, "containerd", "containerd.pid");
    if (!isAlive(Number(readOrEmpty(file)))) rmSync(file, { force: true });
  }

  /** Starts dockerd and with it containerd; resolves when the API answers. */
  async start(): Promise<void> {
    if (this.child !== undefined) throw new Error(`${this.name} is running`);
    this.forgetDeadContainerd();
    const log = openSync(join(this.home, "log"), "a");
    const [program = "", ...args] = this.daemonCommand();
    // The second is what BuildKit runs for RUN; it knows nothing of runtimes.
    const env = {
      ...markedEnvironment(),
      PATH: daemonPath,
      DOCKER_BUILDKIT_RUNC_COMMAND: runtimePath,
    };
    const child = spawn(program, args, { stdio: ["ignore", log, log], env });
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

  /** Ends dockerd. With SIGTERM it stops its containers first unless live-restore is on; with SIGKILL they keep running. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const ending = this.child;
    if (ending === undefined) return;
    this.child = undefined;
    if (ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = new Promise((resolve) => ending.on("exit", resolve));
    ending.kill(signal);
    await gone;
    // A containerd dies with its dockerd, a little later; the next dockerd would wait for the dying one.
    const deadline = Date.now() + 3000;
    while (this.containerdPid() !== undefined && Date.now() < deadline) await sleep(20);
  }

  /** Pid of the containerd that dockerd started; undefined while there is none. */
  containerdPid(): number | undefined {
    const config = join("containerd", "containerd.toml");
    return allPids().find(
      (pid) =>
        isAlive(pid) &&
        commandOf(pid).includes(`--config ${this.home}/`) &&
        commandOf(pid).includes(config),
    );
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
