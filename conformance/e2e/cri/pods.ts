/** Owns pods and their containers: what is asked of the node, and handles with one method per verb. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { idPrefix } from "../../harness/environment.ts";
import { parentOf, readOrEmpty } from "../../harness/processes.ts";
import { eventually } from "../../harness/wait.ts";
import type { CommandOptions, CommandResult } from "../command.ts";
import { workDirectory } from "../containerd/daemon.ts";
import { crictl, query } from "./crictl.ts";
import { images, logDirectory } from "./node.ts";

/** Namespace modes of the interface. */
export const mode = { pod: 0, container: 1, node: 2, target: 3 } as const;
/** Kinds of seccomp profiles. */
export const profile = { runtimeDefault: 0, unconfined: 1, localhost: 2 } as const;

/** What Kubernetes asks for by default: a pod's containers do not see each other's processes. */
const ownPids = () => ({ namespace_options: { pid: mode.container } });

/** A message of the interface; crictl checks its members. */
interface Message {
  [member: string]: unknown;
}

export interface PodConfig extends Message {
  metadata: { name: string; namespace: string; uid: string; attempt: number };
  log_directory: string;
  linux: Message & { cgroup_parent: string; security_context: Message };
}

export interface ContainerConfig extends Message {
  metadata: { name: string };
  image: { image: string };
  command: string[];
  log_path: string;
  linux: Message & { resources: Message; security_context: Message };
}

interface PodStatus {
  state: "SANDBOX_READY" | "SANDBOX_NOTREADY";
  network: { ip: string };
  runtimeHandler: string;
}

export interface ContainerStatus {
  state: "CONTAINER_CREATED" | "CONTAINER_RUNNING" | "CONTAINER_EXITED" | "CONTAINER_UNKNOWN";
  exitCode: number;
  reason: string;
  message: string;
  startedAt: string;
  finishedAt: string;
}

interface Inspected<T> {
  status: T;
  info: { pid: number };
}

let serial = 0;

function configFile(label: string, config: Message): string {
  const path = join(workDirectory(label), `${label}.json`);
  writeFileSync(path, JSON.stringify(config));
  return path;
}

const shell = (script: string): string[] => ["sh", "-c", script];

/** All cgroups of the run's pods are below this one. */
export const cgroupParent = `/${idPrefix}`;

/** What a pod of the run asks for, changed by `edit`. */
function podConfig(edit: (config: PodConfig) => void): PodConfig {
  const name = `${idPrefix}-${++serial}`;
  const config: PodConfig = {
    metadata: { name, namespace: "e2e", uid: name, attempt: 0 },
    log_directory: join(logDirectory(), name),
    linux: { cgroup_parent: `${cgroupParent}/pod${name}`, security_context: ownPids() },
  };
  edit(config);
  mkdirSync(config.log_directory);
  return config;
}

export class Pod {
  readonly id: string;
  readonly config: PodConfig;
  private readonly file: string;
  private containers = 0;

  private constructor(id: string, config: PodConfig, file: string) {
    this.id = id;
    this.config = config;
    this.file = file;
  }

  /** Runs a pod, by default with the default handler. */
  static async run(
    edit: (config: PodConfig) => void = () => undefined,
    handler = "",
  ): Promise<Pod> {
    const { pod, result } = await Pod.attempt(edit, handler);
    result.ok();
    return pod;
  }

  /** Asks for a pod that may be refused. */
  static async attempt(
    edit: (config: PodConfig) => void,
    handler = "",
  ): Promise<{ pod: Pod; result: CommandResult }> {
    const config = podConfig(edit);
    const file = configFile("pod", config);
    const result = await crictl(["runp", ...(handler ? ["--runtime", handler] : []), file]);
    return { pod: new Pod(result.text, config, file), result };
  }

  /** Asks for a container that may be refused. */
  async attempt(
    command: readonly string[],
    edit: (config: ContainerConfig) => void = () => undefined,
  ): Promise<{ container: Container; result: CommandResult }> {
    const name = `c${++this.containers}`;
    const config: ContainerConfig = {
      metadata: { name },
      image: { image: images.busybox },
      command: [...command],
      log_path: `${name}.log`,
      linux: { resources: {}, security_context: ownPids() },
    };
    edit(config);
    const file = configFile("container", config);
    const result = await crictl(["create", "--no-pull", this.id, file, this.file]);
    return { container: new Container(result.text, this, config), result };
  }

  async create(command: readonly string[], edit?: (config: ContainerConfig) => void) {
    const { container, result } = await this.attempt(command, edit);
    result.ok();
    return container;
  }

  /** Creates and starts a container, by default of something that sleeps. */
  async start(
    command: readonly string[] = ["sleep", "1000"],
    edit?: (config: ContainerConfig) => void,
  ): Promise<Container> {
    const container = await this.create(command, edit);
    (await container.start()).ok();
    return container;
  }

  /** Runs a script in a container of its own to its end and returns what it printed; a failure of it is thrown. */
  async output(script: string, edit?: (config: ContainerConfig) => void): Promise<string> {
    const container = await this.start(shell(script), edit);
    const { exitCode } = await container.ended();
    const text = container.output();
    if (exitCode !== 0) throw new Error(`${script}: status ${exitCode}\n${container.rawLog()}`);
    return text;
  }

  private inspect(): Promise<Inspected<PodStatus>> {
    return query(["inspectp", this.id]);
  }

  async status(): Promise<PodStatus> {
    return (await this.inspect()).status;
  }

  /** Host pid of the process that holds the pod's namespaces. */
  async pid(): Promise<number> {
    return (await this.inspect()).info.pid;
  }

  async shim(): Promise<number> {
    return parentOf(await this.pid());
  }

  stop(): Promise<CommandResult> {
    return crictl(["stopp", this.id]);
  }

  async remove(): Promise<void> {
    (await this.stop()).ok();
    (await crictl(["rmp", this.id])).ok();
  }
}

export class Container {
  readonly id: string;
  readonly pod: Pod;
  readonly config: ContainerConfig;

  constructor(id: string, pod: Pod, config: ContainerConfig) {
    this.id = id;
    this.pod = pod;
    this.config = config;
  }

  start(): Promise<CommandResult> {
    return crictl(["start", this.id]);
  }

  /** Runs a command as a probe does: one answer holds both outputs, here with a line feed after each. */
  probe(command: readonly string[], flags: readonly string[] = []): Promise<CommandResult> {
    return crictl(["exec", "--sync", ...flags, this.id, ...command]);
  }

  /** Runs a script in it and returns what that wrote to its standard output; a failure of it is thrown. */
  async says(script: string): Promise<string> {
    return (await this.probe(shell(script))).ok().stdout.replace(/\n\n$/, "");
  }

  /** Runs a command as `kubectl exec` does: over a stream. */
  exec(
    command: readonly string[],
    flags: readonly string[] = [],
    options: CommandOptions = {},
  ): Promise<CommandResult> {
    return crictl(["exec", ...flags, this.id, ...command], options);
  }

  /** Asks it to end, and kills it after the grace period. */
  stop(graceSeconds = 0): Promise<CommandResult> {
    return crictl(["stop", "--timeout", String(graceSeconds), this.id]);
  }

  remove(): Promise<CommandResult> {
    return crictl(["rm", this.id]);
  }

  private inspect(): Promise<Inspected<ContainerStatus>> {
    return query(["inspect", this.id]);
  }

  async status(): Promise<ContainerStatus> {
    return (await this.inspect()).status;
  }

  async pid(): Promise<number> {
    return (await this.inspect()).info.pid;
  }

  async shim(): Promise<number> {
    return parentOf(await this.pid());
  }

  /** Waits for its end. */
  async ended(timeoutMs?: number): Promise<ContainerStatus> {
    const end = async () => {
      const status = await this.status();
      return status.state === "CONTAINER_EXITED" ? status : undefined;
    };
    return eventually(`the end of ${this.config.metadata.name}`, end, timeoutMs);
  }

  /** The log file as the node writes it. */
  rawLog(): string {
    return readOrEmpty(join(this.pod.config.log_directory, this.config.log_path));
  }

  /** What it wrote to one of its outputs. */
  output(stream: "stdout" | "stderr" = "stdout"): string {
    const rows = this.rawLog().matchAll(/^\S+ (stdout|stderr) ([FP]) (.*)$/gm);
    return [...rows]
      .filter(([, name]) => name === stream)
      .map(([, , tag, text]) => `${text}${tag === "F" ? "\n" : ""}`)
      .join("");
  }
}
