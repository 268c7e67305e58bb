/** Owns the node of the run: a network namespace with a bridge, containerd with Kubernetes' interface in it, its handlers. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compareVersions } from "../../harness/environment.ts";
import { hostFacts } from "../../harness/requires.ts";
import { enableCri, home } from "../containerd/daemon.ts";
import { containerdBin, containerdVersion, runtimeType, shimName } from "../containerd/subject.ts";

/** containerd's namespace for all that Kubernetes asks for. */
export const criNamespace = "k8s.io";

/** Images as Kubernetes names them. */
export const images = {
  busybox: "docker.io/e2e/busybox:latest",
  pause: "docker.io/e2e/pause:latest",
};

/** Handlers, which a RuntimeClass would name. All lead to the subject. */
export const handlers = {
  /** By the runtime's type. */
  type: "by-type",
  /** By the path of the shim; under the type of runc's shim, so that runc's options apply, where containerd can. */
  path: "by-path",
  /** By the path of the command line program, under runc's own shim. */
  binary: "by-binary",
} as const;

/** Directory with the plugins of the Container Network Interface; undefined where there is none. */
export function networkPlugins(): string | undefined {
  const places = [process.env["CNI_BIN"], "/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];
  return places.find((path) => path && existsSync(join(path, "bridge")));
}

const top = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "..");
const ours = process.env["SHIM_BIN"] || join(top, "dist", "bin");

/** Path of the subject's command line program. */
export const cliPath =
  shimName === "tsrunc"
    ? join(ours, "tsrunc")
    : (["/usr/sbin/runc", "/usr/bin/runc"].find((path) => existsSync(path)) ?? "runc");

/** Path of the subject's shim. */
const shimPath =
  shimName === "tsrunc"
    ? join(ours, "containerd-shim-tsrunc-v2")
    : join(containerdBin, "containerd-shim-runc-v2");

/** File that keeps the network namespace. */
const netns = () => join(home(), "netns");
export const logDirectory = () => join(home(), "pods");

/** What precedes a command that is to run on the node's network. */
export function onNode(): string[] {
  return ["nsenter", `--net=${netns()}`, "--"];
}

/** Runs a command on the node's network and returns its output. */
export function runOnNode(command: readonly string[]): string {
  const [program = "", ...args] = [...onNode(), ...command];
  return execFileSync(program, args, { encoding: "utf8" });
}

/** Names of the interfaces that pods have on the node. */
export function podInterfaces(): string[] {
  const links = JSON.parse(runOnNode(["ip", "-json", "link"])) as { ifname: string }[];
  return links.map(({ ifname }) => ifname).filter((name) => name.startsWith("veth"));
}

/** Removes what the network plugins have left of pods that containerd never got to know. */
export function forgetNetwork(): void {
  for (const name of podInterfaces()) runOnNode(["ip", "link", "delete", name]);
  const directory = join(home(), "addresses", "e2e");
  for (const name of readdirSync(directory))
    if (/^[\d.]+$/.test(name)) unlinkSync(join(directory, name));
}

const quoted = (value: string): string => JSON.stringify(value);

/** containerd 1.6 does not pass `runtime_path` on; it takes a path where the type stands. */
const takesPathAsType = () => compareVersions(containerdVersion(), "1.7") < 0;

/** The handlers' tables below `parent`. */
function handlerTables(parent: string): string[] {
  const table = (name: string, type: string, lines: readonly string[] = []) => [
    `[plugins.${parent}.runtimes.${name}]`,
    `runtime_type = ${quoted(type)}`,
    ...lines,
  ];
  const runc = "io.containerd.runc.v2";
  return [
    ...table(handlers.type, runtimeType),
    ...(takesPathAsType()
      ? table(handlers.path, shimPath)
      : table(handlers.path, runc, [`runtime_path = ${quoted(shimPath)}`])),
    ...table(handlers.binary, runc),
    `[plugins.${parent}.runtimes.${handlers.binary}.options]`,
    `BinaryName = ${quoted(cliPath)}`,
  ];
}

/** Settings of the interface that differ from the defaults. */
function settings(): string[] {
  // Pods get a score below the daemon's; without CAP_SYS_RESOURCE nobody may lower it.
  const mayLowerScore = ((hostFacts().capabilities >> 24n) & 1n) === 1n;
  return ["netns_mounts_under_state_dir = true", `restrict_oom_score_adj = ${!mayLowerScore}`];
}

/** The tables for containerd 1.x. */
function tablesVersion2(): string[] {
  const cri = '"io.containerd.grpc.v1.cri"';
  return [
    `[plugins.${cri}]`,
    `sandbox_image = ${quoted(images.pause)}`,
    ...settings(),
    `[plugins.${cri}.cni]`,
    `bin_dir = ${quoted(networkPlugins() ?? "")}`,
    `conf_dir = ${quoted(join(home(), "cni"))}`,
    `[plugins.${cri}.containerd]`,
    `default_runtime_name = ${quoted(handlers.type)}`,
    ...handlerTables(`${cri}.containerd`),
  ];
}

/** The tables for containerd 2.x. */
function tablesVersion3(): string[] {
  const runtime = '"io.containerd.cri.v1.runtime"';
  return [
    '[plugins."io.containerd.cri.v1.images".pinned_images]',
    `sandbox = ${quoted(images.pause)}`,
    `[plugins.${runtime}]`,
    ...settings(),
    `[plugins.${runtime}.cni]`,
    `bin_dir = ${quoted(networkPlugins() ?? "")}`,
    `conf_dir = ${quoted(join(home(), "cni"))}`,
    `[plugins.${runtime}.containerd]`,
    `default_runtime_name = ${quoted(handlers.type)}`,
    ...handlerTables(`${runtime}.containerd`),
  ];
}

/** One bridge without masquerading: nothing leaves the node's network namespace. */
function writeNetwork(): void {
  const directory = join(home(), "cni");
  mkdirSync(directory);
  const ranges = [[{ subnet: "10.88.0.0/16" }]];
  const ipam = { type: "host-local", dataDir: join(home(), "addresses"), ranges };
  const bridge = { type: "bridge", bridge: "pods", isGateway: true, ipMasq: false, ipam };
  const ports = { type: "portmap", capabilities: { portMappings: true } };
  writeFileSync(
    join(directory, "10-e2e.conflist"),
    JSON.stringify({ cniVersion: "0.4.0", name: "e2e", plugins: [bridge, ports] }),
  );
}

/** Makes the node; containerd, once started, serves Kubernetes' interface on it. */
export function makeNode(): void {
  // Mounts of a pod's volumes are to propagate.
  execFileSync("mount", ["--make-shared", home()]);
  mkdirSync(logDirectory(), { mode: 0o755 });
  writeFileSync(netns(), "");
  execFileSync("unshare", [`--net=${netns()}`, "ip", "link", "set", "lo", "up"]);
  writeNetwork();
  const isNew = compareVersions(containerdVersion(), "2.0") >= 0;
  enableCri({
    version: isNew ? 3 : 2,
    tables: () => [...(isNew ? tablesVersion3() : tablesVersion2()), ""].join("\n"),
    wrapper: onNode,
  });
}
