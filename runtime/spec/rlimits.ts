/** Resource limit names and their numbers: include/uapi/asm-generic/resource.h. */
import { fail } from "../base/errors.ts";

/** Ordered by number, from RLIMIT_CPU = 0 (x86, arm, riscv, s390, powerpc; not mips, sparc, alpha). */
const names: readonly string[] = [
  "RLIMIT_CPU",
  "RLIMIT_FSIZE",
  "RLIMIT_DATA",
  "RLIMIT_STACK",
  "RLIMIT_CORE",
  "RLIMIT_RSS",
  "RLIMIT_NPROC",
  "RLIMIT_NOFILE",
  "RLIMIT_MEMLOCK",
  "RLIMIT_AS",
  "RLIMIT_LOCKS",
  "RLIMIT_SIGPENDING",
  "RLIMIT_MSGQUEUE",
  "RLIMIT_NICE",
  "RLIMIT_RTPRIO",
  "RLIMIT_RTTIME",
];

/** Is this the name of a limit? */
export function isRlimit(name: string): boolean {
  return names.includes(name);
}

/** 7 -> `RLIMIT_NOFILE`. */
export function rlimitName(number: number): string {
  return names[number] ?? `RLIMIT ${number}`;
}

/** `RLIMIT_NOFILE` -> 7. Throws InvalidArgument for an unknown name, which checkSpec has refused before. */
export function rlimitNumber(name: string): number {
  const number = names.indexOf(name);
  if (number < 0) throw fail("InvalidArgument", `invalid rlimit type ${name}`);
  return number;
}
