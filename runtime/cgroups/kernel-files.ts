/**
 * Reading and writing the small files by which the kernel is configured, with errors that say what
 * was tried.
 */
import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { errnoOf, wrap } from "../base/errors.ts";

/** The content without the final newline. Throws with the path. */
export function readKernelFile(path: string): string {
  try {
    const text = readFileSync(path, "latin1");
    return text.endsWith("\n") ? text.slice(0, -1) : text;
  } catch (error) {
    throw wrap(error, { op: "read", path });
  }
}

/**
 * The content, or undefined when the file or its cgroup does not exist (ENODEV: the cgroup went
 * away between open and read; EOPNOTSUPP: the file of a feature that is switched off).
 */
export function readIfThere(path: string): string | undefined {
  try {
    return readKernelFile(path);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENODEV" || errno === "EOPNOTSUPP") return undefined;
    throw error;
  }
}

/**
 * Writes a value with one write(2); never creates the file. Throws `write "5" to /path: EINVAL
 * (invalid argument)`.
 */
export function writeKernelFile(path: string, value: string): void {
  writeLines(path, [value]);
}

/**
 * Writes several values through one open file, each with its own write(2), as files of one-entry
 * lists want it.
 */
export function writeLines(path: string, values: readonly string[]): void {
  let current = values[0] ?? "";
  let fd = -1;
  try {
    fd = openSync(path, constants.O_WRONLY);
    for (const value of values) {
      current = value;
      writeSync(fd, value);
    }
  } catch (error) {
    throw wrap(error, { op: `write "${current}" to`, path });
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

/** Blocks the calling thread; only for the rare waits the kernel gives no event for. */
export function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
