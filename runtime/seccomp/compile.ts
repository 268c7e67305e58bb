/** Compiles a seccomp profile to the program and flags for seccomp(2). */
import type { Seccomp } from "../../schemas/generated/config.ts";
import { fail, type RuntimeError, wrap } from "../base/errors.ts";
import {
  ARCH_NATIVE,
  architectures,
  FLAG_NEW_LISTENER,
  FLAG_SPEC_ALLOW,
  FLAG_WAIT_KILLABLE_RECV,
  flags as flagBits,
  lookUp,
  RET_ALLOW,
  RET_ERRNO,
  RET_LOG,
  RET_TRACE,
} from "./constants.ts";
import { type CompiledRules, loadSeccompLibrary, type SeccompLibrary } from "./library.ts";
import { newerSyscalls, syscallBase } from "./newer-syscalls.ts";
import { buildProgram, INSTRUCTION_SIZE, type Part, type Verdict } from "./program.ts";
import { encodeRequest } from "./request.ts";
import { actionKind, type RuleList, toRuleList } from "./rules.ts";

const ENOSYS = 38;
/** BPF_MAXINSNS of <linux/bpf_common.h>. */
const MAX_INSTRUCTIONS = 4096;

export interface CompiledSeccomp {
  /** struct sock_filter[] for SECCOMP_SET_MODE_FILTER. */
  readonly filter: Uint8Array;
  /** SECCOMP_FILTER_FLAG_* bits, NEW_LISTENER included when `notify`. */
  readonly flags: number;
  /** The filter has to be loaded with a listener, whose fd goes to `listenerPath`. */
  readonly notify: boolean;
  /** What could not be honoured without being an error; one line each, for the debug log. */
  readonly warnings: readonly string[];
}

export interface CompileOptions {
  /** The opened addon; by default it is loaded from libexec. */
  readonly library?: SeccompLibrary;
}

/**
 * Compiles `linux.seccomp` of a config. Throws InvalidArgument for a profile that is wrong,
 * Unimplemented for one that this kernel or libseccomp cannot do.
 */
export function compileSeccomp(profile: Seccomp, options: CompileOptions = {}): CompiledSeccomp {
  const list = toRuleList(profile);
  return compileRules(list, encodeRequest(list), options.library ?? loadSeccompLibrary());
}

/** The second half of compileSeccomp, for those who have the list and its encoding at hand. */
export function compileRules(
  list: RuleList,
  request: Uint8Array,
  library: SeccompLibrary,
): CompiledSeccomp {
  const warnings: string[] = [];
  const flags = chooseFlags(list, library, warnings);
  const compiled = callLibrary(list, request, library);
  const late = splitUnknown(list, compiled.unknown);
  if (late.skipped.length > 0) {
    warnings.push(
      `libseccomp ${library.version} does not know these syscalls of the profile, their rules are ` +
        `left out: ${late.skipped.join(", ")}`,
    );
  }
  const parts = toParts(list, compiled, late.verdicts, library.nativeArch);
  const filter = buildProgram(parts, wantsEnosys(list.defaultAction));
  const length = filter.length / INSTRUCTION_SIZE;
  if (length > MAX_INSTRUCTIONS) {
    throw fail(
      "InvalidArgument",
      `seccomp profile compiles to ${length} instructions, the kernel takes ${MAX_INSTRUCTIONS}`,
      { op: "compile seccomp profile" },
    );
  }
  return { filter, flags, notify: list.notify, warnings };
}

function chooseFlags(list: RuleList, library: SeccompLibrary, warnings: string[]): number {
  let flags = list.flags;
  if (flags === undefined) {
    // runc's default since 1.1: without it every filtered process would lose to SSBD mitigation.
    flags = library.hasFlags(FLAG_SPEC_ALLOW) ? FLAG_SPEC_ALLOW : 0;
  }
  if (list.notify) flags |= FLAG_NEW_LISTENER;
  else if ((flags & FLAG_WAIT_KILLABLE_RECV) !== 0) {
    // EINVAL from the kernel otherwise; it changes nothing but how notifications wait.
    flags &= ~FLAG_WAIT_KILLABLE_RECV;
    warnings.push("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV has no effect without SCMP_ACT_NOTIFY");
  }
  if (flags === 0 || library.hasFlags(flags)) return flags;
  const companions = flags & FLAG_NEW_LISTENER;
  for (const [name, bit] of Object.entries(flagBits)) {
    if ((flags & bit) !== 0 && !library.hasFlags(bit | companions)) {
      throw fail("Unimplemented", `seccomp flag ${name} is not supported by this kernel`, {
        op: "compile seccomp profile",
      });
    }
  }
  throw fail("Unimplemented", "SCMP_ACT_NOTIFY is not supported by this kernel", {
    op: "compile seccomp profile",
  });
}

function callLibrary(list: RuleList, request: Uint8Array, library: SeccompLibrary): CompiledRules {
  try {
    return library.compile(request);
  } catch (error) {
    throw explain(error, list, library);
  }
}

/** Puts the name of what libseccomp refused into the error. */
function explain(error: unknown, list: RuleList, library: SeccompLibrary): RuntimeError {
  const { syscall, index } = error as { syscall?: string; index?: number };
  if (syscall === "seccomp_arch_add" && index !== undefined) {
    const token = list.archs[index];
    const name = Object.entries(architectures).find((entry) => entry[1] === token)?.[0];
    return wrap(error, {
      op: `add architecture ${name} to seccomp filter (libseccomp ${library.version})`,
    });
  }
  const rule = index === undefined ? undefined : list.rules[index];
  if (syscall === "seccomp_rule_add" && rule !== undefined) {
    return wrap(error, { op: `add seccomp rule for syscall ${list.names[rule.name]}` });
  }
  return wrap(error, { op: "compile seccomp profile" });
}

/** Names which libseccomp does not know: those which we know, and those which nobody knows. */
interface LateNames {
  /** Numbers without the base of a table; the default action for a name that only repeats it. */
  readonly verdicts: readonly Verdict[];
  readonly skipped: readonly string[];
}

/**
 * Saves the rules for system calls younger than the linked libseccomp: without arguments they need no
 * compiler. A rule with arguments is left out, as is a name that nobody knows (runc leaves out both).
 */
function splitUnknown(list: RuleList, unknown: readonly number[]): LateNames {
  const verdicts: Verdict[] = [];
  const skipped: string[] = [];
  for (const index of unknown) {
    const name = list.names[index] as string;
    const number = lookUp(newerSyscalls, name);
    const rules = list.rules.filter((rule) => rule.name === index);
    if (number === undefined || rules.some((rule) => rule.conditions.length > 0)) {
      skipped.push(name);
    } else {
      // No rule is left when the entry repeats the default action; of several the first counts.
      verdicts.push({ number, action: rules[0]?.action ?? list.defaultAction });
    }
  }
  return { verdicts, skipped };
}

function toParts(
  list: RuleList,
  compiled: CompiledRules,
  late: readonly Verdict[],
  nativeArch: number,
): Part[] {
  const parts: Part[] = [];
  for (let i = 0; i < list.archs.length; i++) {
    const token = list.archs[i] as number;
    const part = compiled.parts[i];
    // Named as well as implied: the implied one, which is first, stands for both.
    if (part === undefined || token === nativeArch) continue;
    const arch = token === ARCH_NATIVE ? nativeArch : token;
    const base = syscallBase(arch);
    const verdicts = late.map(({ number, action }) => ({ number: base + number, action }));
    const newest = Math.max(part.newest, ...verdicts.map(({ number }) => number));
    parts.push({ arch, filter: part.filter, newest, verdicts });
  }
  return parts;
}

/** Only where the default denies; a tracer (TRACE) is expected to know newer calls itself. */
function wantsEnosys(defaultAction: number): boolean {
  const kind = actionKind(defaultAction);
  if (kind === RET_ALLOW || kind === RET_LOG || kind === RET_TRACE) return false;
  return defaultAction !== (RET_ERRNO | ENOSYS);
}
