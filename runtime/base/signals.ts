/** Signal names and numbers, as `kill` and logs use them. */
import { fail } from "./errors.ts";

/** Linux numbers on every architecture we build for (not mips, sparc, alpha, parisc). */
const numbers: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  PWR: 30,
  SYS: 31,
  // Other names of the above, behind them: signalName finds the first.
  IOT: 6,
  CLD: 17,
  POLL: 29,
};

/** glibc's first real-time signal: it keeps 32 and 33 for itself. */
const realTimeFirst = 34;
const last = 64;

function realTimeNumber(name: string): number | undefined {
  const match = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (match === null) return undefined;
  const base = match[1] === "MIN" ? realTimeFirst : last;
  const distance = Number(match[3] ?? 0);
  const number = match[2] === "-" ? base - distance : base + distance;
  return number >= realTimeFirst && number <= last ? number : undefined;
}

/**
 * The number of `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3` or `SIGRTMAX-1`; 0 to 64.
 * Throws InvalidArgument with runc's text for anything else.
 */
export function parseSignal(text: string): number {
  if (/^\d{1,2}$/.test(text) && Number(text) <= last) return Number(text);
  const name = text.toUpperCase().replace(/^SIG/, "");
  const number = Object.hasOwn(numbers, name) ? numbers[name] : realTimeNumber(name);
  if (number === undefined) {
    throw fail("InvalidArgument", `unknown signal ${JSON.stringify(text)}`);
  }
  return number;
}

/** `SIGTERM` for 15, `SIGRTMIN+1` for 35, and the bare number where there is no name. */
export function signalName(number: number): string {
  for (const name in numbers) if (numbers[name] === number) return `SIG${name}`;
  if (number === realTimeFirst) return "SIGRTMIN";
  if (number > realTimeFirst && number <= last) return `SIGRTMIN+${number - realTimeFirst}`;
  return String(number);
}
