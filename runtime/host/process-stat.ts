/** Whether a process still is the one that was recorded: pid and start time (proc_pid_stat(5)). */
import { readFileSync } from "node:fs";

export interface ProcessStat {
  /** One letter: R, S, D, T, Z, X... */
  readonly state: string;
  /** Clock ticks after boot; together with the pid it names a process for good. */
  readonly startTime: string;
  readonly parent: number;
  /** Of the executable, or as the process has named itself. */
  readonly name: string;
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
  const end = text.lastIndexOf(")");
  const name = text.slice(text.indexOf("(") + 1, end);
  const fields = text.slice(end + 2).split(" ");
  const [state, parent] = fields;
  const startTime = fields[19];
  if (state === undefined || startTime === undefined) return undefined;
  return { state, startTime, parent: Number(parent), name };
}

/** The recorded process, or undefined when it has ended (a zombie has) or the pid is another's. */
export function liveProcess(pid: number, startTime: string): ProcessStat | undefined {
  if (pid <= 0) return undefined;
  const stat = processStat(pid);
  if (stat === undefined || stat.startTime !== startTime) return undefined;
  return stat.state === "Z" || stat.state === "X" ? undefined : stat;
}

export function isAlive(pid: number, startTime: string): boolean {
  return liveProcess(pid, startTime) !== undefined;
}
