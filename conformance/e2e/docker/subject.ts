/** Owns what a run of this suite is about: the runtime under test, the Docker that drives it, and differences between runtimes. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { compareVersions, runtimeIdentity, runtimePath } from "../../harness/environment.ts";

/** Directories with dockerd, docker, containerd and its shims: $DOCKER_BIN first, then where distributions have them. */
const directories = [
  ...(process.env["DOCKER_BIN"]?.split(":") ?? []),
  "/usr/sbin",
  "/usr/bin",
  "/usr/libexec/docker",
].filter(Boolean);

/** Path of a program of Docker's; undefined where it is not installed. */
export function findProgram(name: string): string | undefined {
  return directories.map((path) => join(path, name)).find((path) => existsSync(path));
}

function programOf(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`there is no ${name} in ${directories.join(", ")}`);
  return path;
}

/** The shim for `runtimes.<name>.runtimeType`; without it the runtime is registered by its path. */
export const runtimeType = process.env["RUNTIME_TYPE"] || undefined;

/** How `docker run --runtime` names the runtime under test; "runc" itself is a reserved name. */
export const runtimeName = "subject";

/** The member of daemon.json's `runtimes`. */
export function registration(): Record<string, unknown> {
  return runtimeType === undefined ? { path: runtimePath } : { runtimeType };
}

/** $PATH of the daemons: their own programs first, and our shim beside the runtime. */
export const daemonPath = [...directories, dirname(runtimePath), process.env["PATH"] ?? ""].join(
  ":",
);

let version: string | undefined;

/** Version of dockerd, "20.10.24". */
export function dockerVersion(): string {
  if (version === undefined) {
    const text = execFileSync(programOf("dockerd"), ["--version"]).toString();
    version = /\bv?(\d+\.\d+\.\d+)/.exec(text)?.[1] ?? "0";
  }
  return version;
}

export function dockerAtLeast(bound: string): boolean {
  return compareVersions(dockerVersion(), bound) >= 0;
}

export const dockerProgram = (): string => programOf("docker");
export const daemonProgram = (): string => programOf("dockerd");

/** One line on what is tested. */
export function subjectText(): string {
  const { name, version: number } = runtimeIdentity();
  const how = runtimeType ?? runtimePath;
  return `${name} ${number} (${how}) with docker ${dockerVersion()}`;
}

/** Why runc fails privileged cases on some hosts; tsrunc leaves out what the host does not have. */
export const needsAll = "cannot give all capabilities on a host that lacks one itself";
