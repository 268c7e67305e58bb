/** Turns a profile into a flat rule list: every check and every decision that needs no library. */
import type { Seccomp, SeccompArg, SeccompSyscall } from "../../schemas/generated/config.ts";
import { fail, type RuntimeError } from "../base/errors.ts";
import {
  ARCH_NATIVE,
  actions,
  architectures,
  flags,
  lookUp,
  operators,
  RET_ACTION_MASK,
  RET_ERRNO,
  RET_NOTIFY,
  RET_TRACE,
} from "./constants.ts";

const EPERM = 1;
const MAX_ARGS = 6;
const MAX_DATA = 0xffff;
const MAX_NAME = 255;

export interface Condition {
  /** Argument number, 0 to 5. */
  readonly index: number;
  /** enum scmp_compare. */
  readonly op: number;
  /** The value to compare with; for MASKED_EQ the mask. */
  readonly a: bigint;
  /** For MASKED_EQ the value to compare with. */
  readonly b: bigint;
}

/** One (system call, action) pair; all conditions have to hold. */
export interface Rule {
  /** Index into `RuleList.names`. */
  readonly name: number;
  /** SECCOMP_RET_* with its data. */
  readonly action: number;
  readonly conditions: readonly Condition[];
}

export interface RuleList {
  /** SECCOMP_RET_* with its data. */
  readonly defaultAction: number;
  /** SCMP_ARCH_* tokens without duplicates; the first is ARCH_NATIVE. */
  readonly archs: readonly number[];
  /** Every name of the profile once, those of rules which were left out included. */
  readonly names: readonly string[];
  /** Without the rules that repeat the default action. */
  readonly rules: readonly Rule[];
  /** SECCOMP_FILTER_FLAG_* bits asked for, or undefined when the profile says nothing. */
  readonly flags: number | undefined;
  readonly notify: boolean;
}

/**
 * Reads a profile, throws InvalidArgument for whatever the spec or runc refuses.
 * runtime-spec config-linux.md, Seccomp; runc libcontainer/seccomp for what the spec leaves open.
 */
export function toRuleList(profile: Seccomp): RuleList {
  const defaultAction = toAction(
    profile.defaultAction,
    profile.defaultErrnoRet,
    "defaultAction",
    "defaultErrnoRet",
  );
  if (defaultAction === RET_NOTIFY) {
    throw invalid("defaultAction", "SCMP_ACT_NOTIFY cannot be used as default action");
  }
  const builder = new RuleBuilder(defaultAction);
  const syscalls = profile.syscalls ?? [];
  for (let i = 0; i < syscalls.length; i++) {
    builder.add(syscalls[i] as SeccompSyscall, `syscalls[${i}]`);
  }
  checkListener(profile, builder.notify);
  return {
    defaultAction,
    archs: toArchs(profile.architectures ?? []),
    names: builder.names,
    rules: builder.rules,
    flags: toFlags(profile.flags),
    notify: builder.notify,
  };
}

class RuleBuilder {
  readonly names: string[] = [];
  readonly rules: Rule[] = [];
  notify = false;
  readonly #defaultAction: number;
  readonly #indices = new Map<string, number>();

  constructor(defaultAction: number) {
    this.#defaultAction = defaultAction;
  }

  /** Appends the rules of one entry of `syscalls`. */
  add(entry: SeccompSyscall, path: string): void {
    const action = toAction(entry.action, entry.errnoRet, `${path}.action`, `${path}.errnoRet`);
    const alternatives = toConditions(entry.args ?? [], path);
    if (action === RET_NOTIFY) this.notify = true;
    for (const name of entry.names) {
      // Init has to tell the parent about the listener after the filter is in force.
      if (action === RET_NOTIFY && name === "write") {
        throw invalid(path, "SCMP_ACT_NOTIFY cannot be used for the write syscall");
      }
      const index = this.#intern(name, path);
      // libseccomp refuses a rule which says what the default says already.
      if (action === this.#defaultAction) continue;
      for (const conditions of alternatives) this.rules.push({ name: index, action, conditions });
    }
  }

  #intern(name: string, path: string): number {
    const known = this.#indices.get(name);
    if (known !== undefined) return known;
    checkName(name, path);
    const index = this.names.push(name) - 1;
    this.#indices.set(name, index);
    return index;
  }
}

function checkName(name: string, path: string): void {
  if (name.length === 0) throw invalid(`${path}.names`, "empty string is not a valid syscall");
  if (name.length > MAX_NAME) throw invalid(`${path}.names`, "name is longer than 255 bytes");
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code <= 32 || code >= 127) {
      throw invalid(`${path}.names`, `${JSON.stringify(name)} is not a valid syscall`);
    }
  }
}

/** The action's number with its errno; a missing errno is EPERM for both actions that take one. */
function toAction(
  name: string,
  errnoRet: number | undefined,
  path: string,
  errnoPath: string,
): number {
  const action = lookUp(actions, name);
  if (action === undefined) throw invalid(path, `${name} is not a valid action for seccomp`);
  if (action !== RET_ERRNO && action !== RET_TRACE) {
    // The spec's MUST, which crun follows and runc does not.
    if (errnoRet !== undefined) throw invalid(errnoPath, `${name} takes no errno`);
    return action;
  }
  const data = errnoRet ?? EPERM;
  if (!Number.isInteger(data) || data < 0 || data > MAX_DATA) {
    throw invalid(errnoPath, `${data} is not in the range 0 to ${MAX_DATA}`);
  }
  return action | data;
}

const unconditional: readonly (readonly Condition[])[] = [[]];

/**
 * The alternatives under which an entry applies. One list of conditions which all must hold, unless an
 * argument occurs twice: then, as libseccomp cannot say "and" there, each condition is a rule of its
 * own (runc's behaviour, which profiles rely on for "is one of").
 */
function toConditions(
  args: readonly SeccompArg[],
  path: string,
): readonly (readonly Condition[])[] {
  if (args.length === 0) return unconditional;
  let seen = 0;
  let repeated = false;
  const conditions: Condition[] = [];
  for (let i = 0; i < args.length; i++) {
    const condition = toCondition(args[i] as SeccompArg, `${path}.args[${i}]`);
    const bit = 1 << condition.index;
    if ((seen & bit) !== 0) repeated = true;
    seen |= bit;
    conditions.push(condition);
  }
  return repeated ? conditions.map((condition) => [condition]) : [conditions];
}

function toCondition(arg: SeccompArg, path: string): Condition {
  const op = lookUp(operators, arg.op);
  if (op === undefined) {
    throw invalid(`${path}.op`, `${arg.op} is not a valid operator for seccomp`);
  }
  if (!Number.isInteger(arg.index) || arg.index < 0 || arg.index >= MAX_ARGS) {
    throw invalid(`${path}.index`, `${arg.index} is not in the range 0 to ${MAX_ARGS - 1}`);
  }
  return {
    index: arg.index,
    op,
    a: toU64(arg.value, `${path}.value`),
    b: toU64(arg.valueTwo ?? 0, `${path}.valueTwo`),
  };
}

/** An exact u64. A number beyond 2^53 has lost bits before it came here and is refused. */
function toU64(value: SeccompArg["value"], path: string): bigint {
  if (typeof value === "bigint") {
    if (value >= 0n && value <= 0xffff_ffff_ffff_ffffn) return value;
  } else if (Number.isSafeInteger(value) && value >= 0) {
    return BigInt(value);
  }
  throw invalid(path, `${value} is not an exact unsigned 64-bit number`);
}

function toArchs(names: readonly string[]): number[] {
  const archs = [ARCH_NATIVE];
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    const arch = lookUp(architectures, name);
    if (arch === undefined) {
      throw invalid(`architectures[${i}]`, `${name} is not a valid arch for seccomp`);
    }
    if (!archs.includes(arch)) archs.push(arch);
  }
  return archs;
}

function toFlags(names: readonly string[] | undefined): number | undefined {
  if (names === undefined) return undefined;
  let bits = 0;
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    const bit = lookUp(flags, name);
    if (bit === undefined) throw invalid(`flags[${i}]`, `seccomp flag ${name} is not known`);
    bits |= bit;
  }
  return bits;
}

function checkListener(profile: Seccomp, notify: boolean): void {
  const path = profile.listenerPath ?? "";
  if (notify && path === "") {
    throw invalid("listenerPath", "has to be set when SCMP_ACT_NOTIFY is used");
  }
  if (path === "" && (profile.listenerMetadata ?? "") !== "") {
    throw invalid("listenerMetadata", "must not be set without listenerPath");
  }
}

/** An InvalidArgument about the profile; `path` is the JSON path inside `linux.seccomp`. */
function invalid(path: string, text: string): RuntimeError {
  return fail("InvalidArgument", `linux.seccomp.${path}: ${text}`, { op: "read seccomp profile" });
}

/** The action without its data. */
export function actionKind(action: number): number {
  return (action & RET_ACTION_MASK) >>> 0;
}
