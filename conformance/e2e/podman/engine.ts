/** Owns podman's private world: its directories, configuration and network namespace, and calling it. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { idPrefix, runtimePath } from "../../harness/environment.ts";
import { buildRootfs, scratchDirectory } from "../../harness/scratch.ts";
import { onPty as onPtyOf, type Terminal } from "../../harness/terminal.ts";
import {
  type CommandOptions,
  type CommandResult,
  launchCommand,
  type Running,
} from "../command.ts";
import { hostChange, podmanProgram, runtimeName } from "./subject.ts";

/** Name of the image that containers run: busybox and the probe. */
export const imageName = "localhost/e2e/busybox:latest";

/** The same, with a program for a pod's infra container: podman's own needs catatonit. */
const infraImageName = "localhost/e2e/infra:latest";

/** Parent of the cgroups of the run's containers. */
export const cgroupParent = `/${idPrefix}-podman`;

let base: string | undefined;

/** The run's own file system: podman syncs what it writes, which a disk makes slow. */
export function home(): string {
  if (base === undefined) {
    base = scratchDirectory("podman");
    execFileSync("mount", ["-t", "tmpfs", "-o", "mode=0755", "tmpfs", base]);
    // Mounts of containers have to be seen by the next podman, whatever its mount namespace.
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

let serial = 0;

/** A new directory in the run's file system. */
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

const graphRoot = (): string => join(home(), "graph");
const netns = (): string => join(home(), "netns");
const mountNamespace = (): string => join(home(), "private", "mntns");

/** Podman's own log of events: it names all containers and pods of the run. */
export const eventLog = (): string => join(home(), "tmp", "events", "events.log");

/** What storage lists, from its own files: asking podman takes long. */
export const containerList = (): string =>
  join(graphRoot(), "overlay-containers", "containers.json");
export const volumeDirectory = (): string => join(graphRoot(), "volumes");

/**
 * containers.conf. `json` says whether the runtime is listed as one that writes its log as JSON. The limits are low because
 * podman's defaults are above the hard limits of a host without CAP_SYS_RESOURCE.
 */
function containersConf(json: boolean): string {
  return `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
netns = "none"
[network]
network_backend = "cni"
network_config_dir = "${join(home(), "networks")}"
cni_plugin_dirs = ["/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
infra_image = "${infraImageName}"
runtime = "${runtimeName}"
runtime_supports_json = [${json ? `"${runtimeName}"` : ""}]
[engine.runtimes]
${runtimeName} = ["${runtimePath}"]
`;
}

/** Makes directories, configuration, network namespace and the image. */
export async function prepare(): Promise<void> {
  for (const name of ["graph", "run", "tmp", "networks"]) mkdirSync(join(home(), name));
  writeFileSync(join(home(), "containers.conf"), containersConf(true));
  writeFileSync(join(home(), "containers-text.conf"), containersConf(false));
  const storage = `[storage]\ndriver = "overlay"\ngraphroot = "${graphRoot()}"\nrunroot = "${join(home(), "run")}"\n`;
  writeFileSync(join(home(), "storage.conf"), storage);
  const policy = '{"default": [{"type": "insecureAcceptAnything"}]}';
  writeFileSync(join(home(), "policy.json"), policy);
  writeFileSync(netns(), "");
  execFileSync("unshare", [`--net=${netns()}`, "ip", "link", "set", "lo", "up"]);
  const step = hostChange();
  if (step !== undefined) makeMountNamespace(step);
  await importImages();
}

/** What the infra container of a pod runs: it ends at once when it is told to. */
const pause = "#!/bin/sh\ntrap 'exit 0' TERM INT\nsleep 100000 &\nwait\n";

async function importImages(): Promise<void> {
  const rootfs = buildRootfs(join(home(), "image"));
  writeFileSync(join(rootfs, "pause"), pause, { mode: 0o755 });
  const archive = join(home(), "image.tar");
  execFileSync("tar", ["--numeric-owner", "-C", rootfs, "-cf", archive, "."]);
  const policy = ["--signature-policy", join(home(), "policy.json")];
  const commands = { [imageName]: '["sh"]', [infraImageName]: '["/pause"]' };
  for (const [name, command] of Object.entries(commands)) {
    const changes = ["ENV PATH=/bin:/usr/bin", "ENV IMAGE=e2e", `CMD ${command}`];
    const flags = changes.flatMap((change) => ["--change", change]);
    (await podman(["import", ...policy, ...flags, archive, name])).ok();
  }
}

export interface PodmanOptions extends CommandOptions {
  /** What --runtime names; default: nothing, containers.conf decides. */
  runtime?: string;
  /** Registers the runtime as one that cannot log JSON. */
  textLog?: boolean;
  /** Shell commands for podman's own mount namespace. */
  prelude?: string;
}

/** Program and arguments that run podman in its network and, where that is needed, in a mount namespace. */
function commandLine(args: readonly string[], options: PodmanOptions): [string, ...string[]] {
  const { runtime, prelude } = options;
  const run = join(home(), "run");
  const flags = ["--root", graphRoot(), "--runroot", run, "--tmpdir", join(home(), "tmp")];
  if (runtime !== undefined) flags.push("--runtime", runtime);
  const namespaces = [`--net=${netns()}`];
  if (existsSync(mountNamespace())) namespaces.push(`--mount=${mountNamespace()}`);
  const enter = prelude === undefined ? [] : unshare([prelude, 'exec "$@"']);
  return ["nsenter", ...namespaces, "--", ...enter, podmanProgram(), ...flags, ...args];
}

/**
 * A command that runs shell commands in a new mount namespace. "/" is private there, so that nothing of it is seen outside;
 * the run's directory stays shared.
 */
function unshare(steps: readonly string[]): string[] {
  const script = ["mount --make-private /", ...steps].join(" && ");
  return ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", script, "sh"];
}

/** Makes the mount namespace for a runtime that needs the host to look different. */
function makeMountNamespace(step: string): void {
  const directory = join(home(), "private");
  mkdirSync(directory);
  execFileSync("mount", ["--bind", directory, directory]);
  execFileSync("mount", ["--make-private", directory]);
  writeFileSync(mountNamespace(), "");
  const [program, ...args] = unshare([step]) as [string, ...string[]];
  args[0] = `--mount=${mountNamespace()}`;
  execFileSync(program, args);
}

function environment(options: PodmanOptions): Record<string, string> {
  return {
    CONTAINERS_CONF: join(home(), options.textLog ? "containers-text.conf" : "containers.conf"),
    CONTAINERS_STORAGE_CONF: join(home(), "storage.conf"),
    ...options.env,
  };
}

/** Starts podman without waiting for it. */
export function launch(args: readonly string[], options: PodmanOptions = {}): Running {
  const [program, ...rest] = commandLine(args, options);
  const settings = { ...options, env: environment(options) };
  return launchCommand(program, rest, settings, ["podman", ...args]);
}

/** Runs podman to its end. */
export function podman(
  args: readonly string[],
  options: PodmanOptions = {},
): Promise<CommandResult> {
  return launch(args, options).done;
}

/** Runs podman on a terminal of its own. */
export function onPty(args: readonly string[], rows = 24, cols = 80): Terminal {
  return onPtyOf(commandLine(args, {}), rows, cols, { env: environment({}) });
}

/** Runs a program of the host in podman's network. */
export function inNetwork(command: readonly string[]): Promise<CommandResult> {
  return launchCommand("nsenter", [`--net=${netns()}`, "--", ...command]).done;
}

/** Takes the network namespace away. */
export function dropNetwork(): void {
  if (existsSync(netns())) execFileSync("umount", [netns()]);
}
