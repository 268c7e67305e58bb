/**
 * Directories of a cgroup hierarchy: making them, listing their processes, removing them with all
 * below.
 */
import { mkdirSync, readdirSync, rmdirSync, statSync } from "node:fs";
import { codeOfErrno, errnoOf, errnoText, fail, wrap } from "../base/errors.ts";
import { readIfThere, readKernelFile, writeKernelFile } from "./kernel-files.ts";

/**
 * Makes a cgroup and the parents it lacks; what is made is appended to `made`, parents first.
 * Returns false when the cgroup was there already.
 */
export function makeCgroup(directory: string, made: string[]): boolean {
  try {
    mkdirSync(directory, 0o755);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "EEXIST") return false;
    const slash = directory.lastIndexOf("/");
    if (errno !== "ENOENT" || slash <= 0) throw wrap(error, { op: "make cgroup", path: directory });
    makeCgroup(directory.slice(0, slash), made);
    return makeCgroup(directory, made);
  }
  made.push(directory);
  return true;
}

/**
 * Removes cgroups that were just made, latest first; what cannot be removed stays (the first error
 * counts).
 */
export function unmake(made: readonly string[]): void {
  for (const directory of [...made].reverse()) {
    try {
      rmdirSync(directory);
    } catch {}
  }
}

/**
 * Sub-cgroups' names; the link count of a cgroup directory tells without listing that there are
 * none.
 */
function children(directory: string): string[] {
  if (statSync(directory).nlink === 2) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

/**
 * Process ids in a cgroup and all below; empty when it does not exist. Processes that the caller's
 * pid namespace does not see (listed as 0) are left out: a signal to 0 would hit the caller's own
 * group.
 */
export function pidsBelow(directory: string): number[] {
  const pids: number[] = [];
  collectPids(directory, pids);
  return pids;
}

function collectPids(directory: string, pids: number[]): void {
  // A threaded cgroup does not list processes (EOPNOTSUPP), only threads.
  const text =
    readIfThere(`${directory}/cgroup.procs`) ?? readIfThere(`${directory}/cgroup.threads`);
  if (text === undefined) return;
  for (const line of text.split("\n")) {
    const pid = Number(line);
    if (pid > 0) pids.push(pid);
  }
  let names: string[];
  try {
    names = children(directory);
  } catch (error) {
    if (isGone(error)) return;
    throw wrap(error, { op: "list cgroup", path: directory });
  }
  for (const name of names) collectPids(`${directory}/${name}`, pids);
}

/**
 * Removes a cgroup and all below. False when a process or a new sub-cgroup keeps it busy; absent is
 * fine.
 */
export function removeCgroup(directory: string): boolean {
  const first = rmdir(directory);
  if (first === undefined) return true;
  let names: string[];
  try {
    names = children(directory);
  } catch (error) {
    if (isGone(error)) return true;
    throw wrap(error, { op: "list cgroup", path: directory });
  }
  if (first !== "EBUSY" && first !== "ENOTEMPTY") {
    // A read-only mount answers EROFS whether the directory exists or not; by now we know that it
    // does.
    throw fail(codeOfErrno(first), `remove cgroup ${directory}: ${errnoText(first)}`, {
      op: "remove cgroup",
      path: directory,
      errno: first,
      syscall: "rmdir",
    });
  }
  if (names.length === 0) return false;
  let all = true;
  for (const name of names) all = removeCgroup(`${directory}/${name}`) && all;
  return all && rmdir(directory) === undefined;
}

/** Undefined when the directory is gone, else the errno. */
function rmdir(directory: string): string | undefined {
  try {
    rmdirSync(directory);
    return undefined;
  } catch (error) {
    const errno = errnoOf(error) ?? "EIO";
    return errno === "ENOENT" ? undefined : errno;
  }
}

function isGone(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === "ENOENT" || errno === "ENODEV";
}

/**
 * Fills one of cpuset.cpus and cpuset.mems of a v1 cpuset cgroup from its parent where empty,
 * upwards as far as needed: a process cannot join a cpuset without either (ENOSPC). `isNew` spares
 * looking into a cgroup just made. Returns the value.
 */
export function inheritCpuset(directory: string, file: string, isNew: boolean): string {
  const path = `${directory}/${file}`;
  const own = isNew ? "" : readKernelFile(path);
  if (own !== "") return own;
  const parent = directory.slice(0, directory.lastIndexOf("/"));
  const value = inheritCpuset(parent, file, false);
  writeKernelFile(path, value);
  return value;
}
