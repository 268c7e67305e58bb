/** Owns what a run of this suite is about: the runtime under test and the podman that drives it. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { isRuntime } from "../../harness/differences.ts";
import { runtimeIdentity, runtimePath } from "../../harness/environment.ts";

/** $PODMAN, or where distributions have it. */
const programs = [process.env["PODMAN"], "/usr/bin/podman", "/usr/local/bin/podman"];

/** Path of podman; undefined where it is not installed. */
export function findPodman(): string | undefined {
  return programs.find((path) => path && existsSync(path));
}

/** Path of podman. Throws where it is not installed. */
export function podmanProgram(): string {
  const path = findPodman();
  if (path === undefined) throw new Error("there is no podman");
  return path;
}

/** The key of [engine.runtimes] under which the runtime under test is registered. */
export const runtimeName = "subject";

/** One line on what is tested. */
export function subjectText(): string {
  const { name, version } = runtimeIdentity();
  const podman = execFileSync(podmanProgram(), ["--version"]).toString().trim();
  return `${name} ${version} (${runtimePath}) with ${podman}`;
}

const unified = "/sys/fs/cgroup/unified";

/** True when the runtime refuses a v1 host with controllers in its v2 hierarchy, which then has to be hidden from it. */
function refusesHybrid(): boolean {
  const path = `${unified}/cgroup.controllers`;
  return isRuntime("crun") && existsSync(path) && readFileSync(path, "utf8").trim() !== "";
}

/** A shell command that makes the mount namespace of podman fit for the runtime; undefined when the host is as it is. */
export function hostChange(): string | undefined {
  return refusesHybrid() ? `mount --make-rprivate /sys && umount ${unified}` : undefined;
}
