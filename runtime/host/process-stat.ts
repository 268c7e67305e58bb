/** Whether a process still is the one that was recorded: pid and start time (proc_pid_stat(5)). */
import { readFileSync } from "node:fs";

export interface ProcessStat {
  /** One letter: R, S, D, T, Z, X... */
  readonly state: string;
  /** Clock ticks after boot; together with the pid it names a process for good. */
  readonly startTime: string;
  readonly parent: number;
}

/** Undefined when there is no such process. */
export function processStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  // the name in parentheses may hold anything, parentheses and spaces included
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, parent] = fields;
  const startTime = fields[19];
  if (state === undefined || startTime === undefined) return undefined;
  return { state, startTime, parent: Number(parent) };
}

/** Is the recorded process alive? A zombie has ended. */
export function isAlive(pid: number, startTime: string): boolean {
  if (pid <= 0) return false;
  const stat = processStat(pid);
  return (
    stat !== undefined && stat.startTime === startTime && stat.state !== "Z" && stat.state !== "X"
  );
}
