/** The operations that turn init into the configured process; the same for create and exec. */
import type { Capabilities, Process } from "../../schemas/generated/config.ts";
import { capabilityMask } from "../spec/capabilities.ts";
import { rlimitNumber } from "../spec/rlimits.ts";
import type { PlanBuilder } from "./plan.ts";

/** A compiled seccomp profile, ready for the kernel. */
export interface SeccompFilter {
  readonly filter: Uint8Array;
  readonly flags: number;
  readonly notify: boolean;
}

export interface ProcessInput {
  readonly process: Process;
  readonly seccomp: SeccompFilter | undefined;
  /** Inside a user namespace in which setgroups is denied, or the caller's groups are kept. */
  readonly setGroupsDenied: boolean;
  /** Fds from 3 on that the program gets, and what its environment says of them. */
  readonly inherited: { readonly fds: readonly number[]; readonly env: readonly string[] };
  /** Name of the session keyring, or undefined to leave the caller's (--no-new-keyring). */
  readonly keyring: { readonly name: string; readonly create: boolean } | undefined;
}

const CAP_SYS_ADMIN = 1n << 21n;
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Raises of hard limits, while the host's privilege is still there. */
export function addEarlyLimits(builder: PlanBuilder, process: Process): void {
  for (const { type, hard } of process.rlimits ?? []) {
    builder.ops.push({ op: "raiseRlimit", resource: rlimitNumber(type), hard: BigInt(hard) });
  }
}

/**
 * What has to be written to /proc before namespaces are joined and privileges end. A hidden process owns its /proc files for
 * root only; nobody of a container can see it yet (CVE-2016-9962).
 */
export function addOomScore(builder: PlanBuilder, process: Process, privileged: boolean): void {
  if (process.oomScoreAdj === undefined) return;
  const value = String(process.oomScoreAdj);
  const write = { op: "writeProc", path: "self/oom_score_adj", value, optional: 0 } as const;
  if (privileged) builder.ops.push(write);
  else builder.ops.push({ op: "setDumpable", value: 1 }, write, { op: "setDumpable", value: 0 });
}

/** Session keyring: own for the container, or joined by exec. */
export function addKeyring(builder: PlanBuilder, input: ProcessInput): void {
  if (input.keyring === undefined) return;
  const { name, create } = input.keyring;
  builder.ops.push({ op: "joinKeyring", name, create: create ? 1 : 0 });
}

/**
 * Limits, ids and capabilities. Without noNewPrivileges the filter needs CAP_SYS_ADMIN, which is then kept until
 * addFilter; a program executed meanwhile does not get it, since the bounding set is final.
 */
export function addCredentials(builder: PlanBuilder, input: ProcessInput): void {
  const { process } = input;
  const { ops } = builder;
  const { uid = 0, gid = 0, additionalGids = [], umask = 0o022 } = process.user ?? {};
  if (process.noNewPrivileges === true) ops.push({ op: "noNewPrivileges" });
  addRlimits(builder, process);
  const sets = capabilitySets(process.capabilities);
  ops.push({ op: "dropBounding", keep: sets.bounding });
  if (process.terminal !== true) ops.push({ op: "fixStdio", uid });
  if (uid !== 0) ops.push({ op: "keepCapabilities" });
  const groups = new Uint8Array(new Uint32Array(additionalGids).buffer);
  const setGroups = input.setGroupsDenied ? 0 : 1;
  ops.push({ op: "changeDirectory", path: process.cwd, last: 0 });
  ops.push({ op: "setIds", uid, gid, groups, setGroups });
  ops.push({ op: "changeDirectory", path: process.cwd, last: 1 });
  addCapabilities(builder, sets, needsAdministrator(input) ? CAP_SYS_ADMIN : 0n);
  ops.push({ op: "umask", mask: umask });
}

/** From here on init holds nothing of the host; what is looked up and executed next is the image's. */
export function addSeal(builder: PlanBuilder, input: ProcessInput, gateFd: number): void {
  builder.ops.push({ op: "sealFds", first: 3 + input.inherited.fds.length, keep: gateFd });
}

/**
 * The filter comes as late as it can, so that it sees next to nothing of us: a profile without sockets or without
 * the newest calls must not break the runtime. One that notifies comes before the last sync, while the parent that
 * passes on the listener is there.
 */
export function addFilter(
  builder: PlanBuilder,
  input: ProcessInput,
  moment: "before ready" | "before program",
): void {
  const { seccomp, process } = input;
  if (seccomp === undefined || seccomp.notify !== (moment === "before ready")) return;
  const { filter, flags, notify } = seccomp;
  builder.ops.push({ op: "seccomp", filter, flags, notify: notify ? 1 : 0 });
  if (needsAdministrator(input)) addCapabilities(builder, capabilitySets(process.capabilities), 0n);
}

function needsAdministrator({ seccomp, process }: ProcessInput): boolean {
  const { effective, permitted } = capabilitySets(process.capabilities);
  const has = (effective & permitted & CAP_SYS_ADMIN) !== 0n;
  return seccomp !== undefined && process.noNewPrivileges !== true && !has;
}

function addCapabilities(builder: PlanBuilder, sets: CapabilitySets, more: bigint): void {
  builder.ops.push({
    op: "setCapabilities",
    effective: sets.effective | more,
    permitted: sets.permitted | more,
    inheritable: sets.inheritable,
    ambient: sets.ambient,
  });
}

/** Program look-up: last, because a wrong path is the user's most frequent mistake and has to name itself. */
export function addLookUp(builder: PlanBuilder, process: Process): void {
  const name = process.args?.[0] ?? "";
  builder.ops.push({ op: "findExecutable", name, searchPath: pathOf(process.env ?? []) });
}

/** The very end: the program and its environment. */
export function addExecution(builder: PlanBuilder, input: ProcessInput): void {
  const { process } = input;
  const configured = lastOfEach(process.env ?? []).filter((entry) => entry !== "HOME=");
  const env = [...configured, ...input.inherited.env];
  builder.ops.push({ op: "execute", args: process.args ?? [], env });
}

/** HOME comes from the container's passwd file when the config does not say it. */
export function addHome(builder: PlanBuilder, process: Process): void {
  const hasHome = (process.env ?? []).some(
    (entry) => entry.startsWith("HOME=") && entry !== "HOME=",
  );
  if (!hasHome) builder.ops.push({ op: "findHome", uid: process.user?.uid ?? 0 });
}

function addRlimits(builder: PlanBuilder, process: Process): void {
  for (const { type, soft, hard } of process.rlimits ?? []) {
    const resource = rlimitNumber(type);
    builder.ops.push({ op: "setRlimit", resource, soft: BigInt(soft), hard: BigInt(hard) });
  }
}

interface CapabilitySets {
  readonly bounding: bigint;
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly ambient: bigint;
}

/** Without `capabilities` a process has none, as with runc. */
export function capabilitySets(capabilities: Capabilities | undefined): CapabilitySets {
  const mask = (names: readonly string[] | undefined) => capabilityMask(names ?? []).mask;
  return {
    bounding: mask(capabilities?.bounding),
    effective: mask(capabilities?.effective),
    permitted: mask(capabilities?.permitted),
    inheritable: mask(capabilities?.inheritable),
    ambient: mask(capabilities?.ambient),
  };
}

function pathOf(env: readonly string[]): string {
  const entry = env.findLast((candidate) => candidate.startsWith("PATH="));
  return entry === undefined ? defaultPath : entry.slice("PATH=".length);
}

/** Environment with the last of duplicate names, in the order of first appearance. */
export function lastOfEach(env: readonly string[]): string[] {
  const values = new Map<string, string>();
  for (const entry of env) values.set(entry.slice(0, Math.max(entry.indexOf("="), 0)), entry);
  return [...values.values()];
}
