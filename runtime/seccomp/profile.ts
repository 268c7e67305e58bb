/** The shape of `linux.seccomp` as this directory reads it, and the errors it throws about it. */
import { fail, type RuntimeError } from "../base/errors.ts";

/** A u64 of the config: a bigint from the loader, or a number when it is exact. */
export type Word = number | bigint;

export interface SeccompArg {
  readonly index: number;
  readonly value: Word;
  readonly valueTwo?: Word | null | undefined;
  readonly op: string;
}

export interface SeccompSyscall {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number | null | undefined;
  readonly args?: readonly SeccompArg[] | null | undefined;
}

/** `LinuxSeccomp` of the runtime-spec (config-linux.md, Seccomp); null counts as not given, as in Go. */
export interface SeccompProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number | null | undefined;
  readonly architectures?: readonly string[] | null | undefined;
  readonly flags?: readonly string[] | null | undefined;
  readonly listenerPath?: string | null | undefined;
  readonly listenerMetadata?: string | null | undefined;
  readonly syscalls?: readonly SeccompSyscall[] | null | undefined;
}

/** An InvalidArgument about the profile; `path` is the JSON path inside `linux.seccomp`. */
export function invalid(path: string, text: string): RuntimeError {
  return fail("InvalidArgument", `linux.seccomp.${path}: ${text}`, { op: "read seccomp profile" });
}
