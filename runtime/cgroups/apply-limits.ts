/**
 * Carries out a list of limit writes: order, alternatives, what to say when the kernel refuses, and
 * taking them back.
 */
import { errnoOf, fail, type RuntimeError, wrap } from "../base/errors.ts";
import { readIfThere, writeKernelFile } from "./kernel-files.ts";
import type { LimitPlan, LimitWrite } from "./resources.ts";

/**
 * Directory of the container's cgroup that holds a controller's files, or undefined where there is
 * none.
 */
export type DirectoryOf = (controller: string) => string | undefined;

interface Done {
  readonly path: string;
  /** Writes that bring back what was there before. */
  readonly restore: readonly string[];
}

/**
 * Writes limits in order; a write that came too early is repeated after the others. Returns the
 * plan's warnings and those of optional limits without a file. Throws with the config field, the
 * file and a hint; with `undo`, earlier writes are taken back first (a new cgroup is removed
 * instead, which is cheaper).
 */
export function applyLimits(plan: LimitPlan, directoryOf: DirectoryOf, undo: boolean): string[] {
  const warnings = [...plan.warnings];
  const done: Done[] = [];
  const again: LimitWrite[] = [];
  try {
    for (const write of plan.writes) {
      try {
        applyOne(write, directoryOf, undo ? done : undefined, warnings);
      } catch (error) {
        if (write.retry !== true || errnoOf(error) !== "EINVAL") throw error;
        again.push(write);
      }
    }
    for (const write of again) applyOne(write, directoryOf, undo ? done : undefined, warnings);
  } catch (error) {
    restore(done);
    throw error;
  }
  return warnings;
}

function applyOne(
  write: LimitWrite,
  directoryOf: DirectoryOf,
  done: Done[] | undefined,
  warnings: string[],
): void {
  const directory = directoryOf(write.controller);
  if (directory === undefined) {
    if (write.optional !== undefined) return;
    throw fail(
      "FailedPrecondition",
      `cannot set ${write.field}: container has no cgroup with the ${write.controller} controller`,
      {
        path: write.file,
        hint: `${write.file} is needed; is ${write.controller} mounted and permitted?`,
      },
    );
  }
  if (tryWrite(write, directory, write.file, write.value, done)) return;
  const other = write.otherwise;
  if (other !== undefined && tryWrite(write, directory, other.file, other.value, done)) return;
  if (write.optional === undefined) throw missingFile(write, directory);
  if (write.optional !== true) warnings.push(`${write.field} has no effect: ${write.optional}`);
}

/** False when the file does not exist. */
function tryWrite(
  write: LimitWrite,
  directory: string,
  file: string,
  value: string,
  done: Done[] | undefined,
): boolean {
  if (file.includes("/")) {
    throw fail("InvalidArgument", `${write.field}: "${file}" is not a file name`);
  }
  const path = `${directory}/${file}`;
  const before = done === undefined ? undefined : readIfThere(path);
  try {
    writeKernelFile(path, value);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT") return false;
    throw explain(write, directory, file, error);
  }
  if (before !== undefined) done?.push({ path, restore: previousValue(file, value, before) });
  return true;
}

function missingFile(write: LimitWrite, directory: string): RuntimeError {
  const file =
    write.otherwise === undefined ? write.file : `${write.file} or ${write.otherwise.file}`;
  const enabled = readIfThere(`${directory}/cgroup.controllers`)?.split(" ");
  const hint =
    enabled === undefined || enabled.includes(write.controller)
      ? "this kernel does not have that limit"
      : `the ${write.controller} controller is not available in this cgroup`;
  return fail("FailedPrecondition", `cannot set ${write.field}: no ${file} in ${directory}`, {
    path: `${directory}/${write.file}`,
    errno: "ENOENT",
    hint,
  });
}

/** Adds the config field and, for refusals that people run into, the reason. */
function explain(write: LimitWrite, directory: string, file: string, error: unknown): RuntimeError {
  const hint = hintFor(write, directory, file, errnoOf(error));
  const op = `cannot set ${write.field}`;
  return wrap(error, hint === undefined ? { op } : { op, hint });
}

function hintFor(
  write: LimitWrite,
  directory: string,
  file: string,
  errno: string | undefined,
): string | undefined {
  if (file === "memory.limit_in_bytes" && errno === "EBUSY") {
    const usage = readIfThere(`${directory}/memory.usage_in_bytes`);
    const peak = readIfThere(`${directory}/memory.max_usage_in_bytes`);
    return `unable to set memory limit to ${write.value} (current usage: ${usage}, peak usage: ${peak})`;
  }
  if (errno === "EINVAL" && file.startsWith("memory.") && file.endsWith("limit_in_bytes")) {
    return "memory+swap limit should be >= memory limit";
  }
  if (file.startsWith("cpuset.") && errno !== undefined) {
    const parent = directory.slice(0, directory.lastIndexOf("/"));
    const allowed = readIfThere(`${parent}/${file}`) || readIfThere(`${parent}/${file}.effective`);
    return allowed ? `the parent cgroup has ${allowed}` : undefined;
  }
  if (errno === "EINVAL" && (file.startsWith("cpu.cfs_") || file === "cpu.max")) {
    return "quota and period are 1 ms to 1 s, and within what the parent cgroup grants";
  }
  if (errno === "ENODEV") return "no such device on this host";
  return undefined;
}

/**
 * What to write to get back to `before`, the file's content. Files of one-entry lists are read as a
 * whole but written entry by entry; an entry that was not there is reset.
 */
export function previousValue(file: string, written: string, before: string): readonly string[] {
  if (file === "memory.oom_control") {
    return [before.includes("oom_kill_disable 1") ? "1" : "0"];
  }
  const space = written.indexOf(" ");
  const perEntry = space > 0 && !file.startsWith("cpu.");
  if (perEntry) {
    const key = written.slice(0, space + 1);
    const line = before.split("\n").find((l) => l.startsWith(key));
    if (line !== undefined) return [line];
    if (file === "io.max") return [`${key}rbps=max wbps=max riops=max wiops=max`];
    if (file === "rdma.max") return [`${key}hca_handle=max hca_object=max`];
    return file.startsWith("blkio.throttle.") ? [`${key}0`] : [];
  }
  if (before.startsWith("default ")) return [before.slice(8).split("\n")[0] ?? ""];
  if (before.includes("\n")) return [];
  return [before === "" ? "\n" : before];
}

/**
 * Latest first; what depends on a write not yet taken back is tried a second time. Failures leave
 * the first error.
 */
function restore(done: readonly Done[]): void {
  let pending = [...done].reverse();
  for (let pass = 0; pass < 2 && pending.length > 0; pass++) {
    pending = pending.filter(({ path, restore: values }) => {
      try {
        for (const value of values) writeKernelFile(path, value);
        return false;
      } catch {
        return true;
      }
    });
  }
}
