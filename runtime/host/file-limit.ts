/** The limit of open files that our caller gave us, which the JavaScript engine raises before our first line runs. */
import { readFileSync } from "node:fs";

/** RLIMIT_NOFILE (getrlimit(2)). */
export interface FileLimit {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** Reads "Max open files" from the text of /proc/PID/limits; undefined when it is not there or unlimited. */
export function parseFileLimit(limits: string): FileLimit | undefined {
  const match = /^Max open files +(\d+) +(\d+) /m.exec(limits);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { soft: BigInt(match[1]), hard: BigInt(match[2]) };
}

/**
 * What the limit was before the engine raised the soft one to the hard one, as far as it can be told.
 * The kernel does not keep the old value, so the parent's is taken: a process passes its own limits on. A parent that
 * raised its own limit and lowers it for its children (Go programs do) cannot be seen through.
 * @returns undefined when there is nothing to restore.
 */
export function lowerFileLimit(
  own: FileLimit | undefined,
  parent: FileLimit | undefined,
): FileLimit | undefined {
  if (own === undefined || parent === undefined) return undefined;
  const raised = own.soft === own.hard && parent.hard === own.hard && parent.soft < own.soft;
  return raised ? parent : undefined;
}

function readLimit(process: string): FileLimit | undefined {
  try {
    return parseFileLimit(readFileSync(`/proc/${process}/limits`, "latin1"));
  } catch {
    return undefined;
  }
}

/** The caller's limit, or undefined when ours is untouched or the caller's cannot be told. */
export function callerFileLimit(): FileLimit | undefined {
  return lowerFileLimit(readLimit("self"), readLimit(String(process.ppid)));
}
