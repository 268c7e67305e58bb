/** The seccomp addon: its interface, and the only place that opens it. */
import { fail } from "../base/errors.ts";
import { libexecDir } from "../native/binding.ts";

export interface CompiledRules {
  /** One for each requested architecture; empty for a second mention of the native one. */
  readonly parts: readonly CompiledPart[];
  /** Indices of names which libseccomp does not know. */
  readonly unknown: readonly number[];
}

export interface CompiledPart {
  /** struct sock_filter[]; kills what comes from another architecture. */
  readonly filter: Uint8Array;
  /** The highest number of any listed name in this architecture's table, 0 for none. */
  readonly newest: number;
}

/** native/addon/seccomp.cc. */
export interface SeccompLibrary {
  /** libseccomp's version, `2.5.4`. */
  readonly version: string;
  /** SCMP_ARCH_* of this build. */
  readonly nativeArch: number;
  /**
   * Compiles what encodeRequest wrote. Throws a system error whose `syscall` is the libseccomp
   * function and whose `index` is the refused rule or architecture.
   */
  compile(request: Uint8Array): CompiledRules;
  /** Does libseccomp know this SCMP_ARCH_* token? */
  hasArch(token: number): boolean;
  /** Does the kernel know this SECCOMP_RET_* action? */
  hasAction(action: number): boolean;
  /** Does the kernel know these SECCOMP_FILTER_FLAG_* bits? */
  hasFlags(flags: number): boolean;
}

let loaded: SeccompLibrary | undefined;

/** Where the addon lies; another file there is another libseccomp. */
export function seccompLibraryPath(): string {
  return `${libexecDir()}/seccomp.node`;
}

/** Opens the addon on first use; throws Unimplemented when it is not installed. */
export function loadSeccompLibrary(): SeccompLibrary {
  if (loaded !== undefined) return loaded;
  const module = { exports: {} as SeccompLibrary };
  const path = seccompLibraryPath();
  try {
    process.dlopen(module, path);
  } catch (error) {
    throw fail("Unimplemented", `cannot load the seccomp addon ${path}`, {
      op: "compile seccomp profile",
      path,
      hint: "reinstall tsrunc, or run the container without a seccomp profile",
      cause: error,
    });
  }
  loaded = module.exports;
  return loaded;
}
