/** The ordered list of operations for a new container. Read this first: it is what `create` does. */
import type { Linux, Process, Spec } from "../../schemas/generated/config.ts";
import { fail } from "../base/errors.ts";
import { absolutePath } from "../base/paths.ts";
import { MOUNT_ATTR, MS, propagationFlag } from "../spec/mount-flags.ts";
import { sysctlPath } from "../spec/sysctls.ts";
import type { CgroupMountFacts } from "./cgroup-mounts.ts";
import {
  addDeviceLinks,
  addDevices,
  openDevices,
  type PreparedDevice,
  prepareDevices,
} from "./devices.ts";
import { addHooks } from "./hooks.ts";
import { type ContainerMapping, containerMapping } from "./id-mapped-mounts.ts";
import type { Labels } from "./labels.ts";
import { addPropagation } from "./mount-attributes.ts";
import { addMounts, newSourceOpener, type PreparedMount, prepareMounts } from "./mounts.ts";
import {
  addLateNamespaces,
  addNamespaces,
  type JoinedNamespace,
  type NamespacePlan,
  planNamespaces,
} from "./namespaces.ts";
import { newPlanBuilder, type Plan, type PlanBuilder, syncPoint, takeSlot } from "./plan.ts";
import {
  addEarlyLimits,
  addExecution,
  addFilter,
  addOomScore,
  type SeccompFilter,
} from "./process.ts";
import { addProgram, type ProgramInput } from "./program.ts";
import { addAffinityReset, addEarlyPriorities } from "./scheduling.ts";

/** Everything a create plan depends on; the caller has opened the fds. */
export interface CreatePlanInput {
  readonly id: string;
  readonly spec: Spec;
  /** Absolute path of the bundle. */
  readonly bundle: string;
  /** Absolute path of the root file system, links resolved. */
  readonly rootfs: string;
  readonly joins: readonly JoinedNamespace[];
  /** v1 `tasks` files to join, in order. */
  readonly cgroupFds: readonly { readonly fd: number; readonly path: string }[];
  readonly cgroupMounts: CgroupMountFacts;
  readonly seccomp: SeccompFilter | undefined;
  readonly labels: Labels;
  readonly noPivot: boolean;
  readonly newKeyring: boolean;
  /** Fds from 3 on that the program gets, and what its environment says of them. */
  readonly inherited: { readonly fds: readonly number[]; readonly env: readonly string[] };
  /** Listening socket that `start` connects to, or -1 when the program follows at once (run). */
  readonly gateFd: number;
  /** Mount point that holds the rootfs; only needed when the host's propagation is kept. */
  readonly rootfsMountPoint: string | undefined;
  readonly hasKcore: boolean;
  /** The caller may open trees outside of the user namespace; without, they are opened as the container's root. */
  readonly privileged: boolean;
  /** setgroups was denied together with the id mapping (unprivileged caller), or the caller's groups are kept. */
  readonly setGroupsDenied: boolean;
}

/** What is worked out once and used by several steps. */
interface Context {
  readonly builder: PlanBuilder;
  readonly input: CreatePlanInput;
  readonly process: Process;
  readonly linux: Linux;
  readonly namespaces: NamespacePlan;
  readonly mounts: readonly PreparedMount[];
  readonly devices: readonly PreparedDevice[];
  readonly mapping: ContainerMapping;
  readonly rootSlot: number;
  /** Trees are opened before the fork into a user namespace, whose root may not reach their paths. */
  readonly openEarly: boolean;
}

/** Pure: (config, opened fds, options) -> operations. Throws InvalidArgument for what cannot be planned. */
export function buildCreatePlan(input: CreatePlanInput): Plan {
  const context = newContext(input);
  const { builder, namespaces } = context;
  addStart(context);
  if (context.openEarly) openTrees(context);
  addNamespaces(builder, namespaces, timeOffsets(context.linux), context.input.privileged);
  builder.ops.push({ op: "newSession" });
  if (namespaces.isNew("network")) builder.ops.push({ op: "loopbackUp" });
  addRoot(context);
  // after the mounts that do not depend on it would do as well; cgroup mounts need it
  addLateNamespaces(builder, namespaces, timeOffsets(context.linux));
  addMounts(builder, context.mounts, input.cgroupMounts, lateOpener(context));
  addDev(context);
  addRuntimeHooks(context);
  addRestrictions(context);
  addNames(context);
  addPivot(context);
  addProcess(context);
  return {
    ops: builder.ops,
    cloneFlags: namespaces.forks ? 0 : namespaces.newFlags,
    forks: namespaces.forks,
    slots: builder.slots,
  };
}

function newContext(input: CreatePlanInput): Context {
  const builder = newPlanBuilder();
  const { process, linux = {}, mounts = [] } = input.spec;
  if (process === undefined)
    throw fail("InvalidArgument", "process: required to create a container");
  const namespaces = planNamespaces(linux.namespaces ?? [], input.joins);
  const inUser = namespaces.has("user");
  return {
    builder,
    input,
    process,
    linux,
    namespaces,
    rootSlot: takeSlot(builder, `mount root file system ${input.rootfs}`),
    mounts: prepareMounts(builder, { mounts, namespaces, label: input.labels.mount }),
    devices: bindsDev(input.spec) ? [] : prepareDevices(builder, linux.devices ?? [], inUser),
    mapping: containerMapping(linux, input.joins.find(({ type }) => type === "user")?.fd ?? -1),
    openEarly: inUser && input.privileged,
  };
}

/** Hidden from everybody, in its cgroups, with what only the host's privileges can set. */
function addStart({ builder, input, process, namespaces }: Context): void {
  builder.ops.push({ op: "setDumpable", value: 0 });
  for (const { fd, path } of input.cgroupFds) builder.ops.push({ op: "joinCgroup", fd, path });
  addAffinityReset(builder);
  addOomScore(builder, process, input.privileged);
  if (!namespaces.has("user")) return;
  addEarlyLimits(builder, process);
  addEarlyPriorities(builder, process);
}

/** Where a user namespace is made, sources are open before: the container's root may not be able to reach the paths. */
function openTrees(context: Context): void {
  const { builder, input, mounts, devices, mapping, rootSlot } = context;
  builder.ops.push({ op: "openTree", slot: rootSlot, path: input.rootfs, recursive: 1 });
  // never a peer of the host's mount: what is mounted below would show up there
  addPropagation(builder, rootSlot, MS.SLAVE | MS.REC);
  mounts.forEach(newSourceOpener(builder, input.bundle, mapping, true));
  openDevices(builder, devices);
}

function lateOpener({ builder, input, mapping, openEarly }: Context) {
  return openEarly ? undefined : newSourceOpener(builder, input.bundle, mapping, false);
}

/** The root as a mount of its own in a mount namespace that sends nothing back, unless the config wants that. */
function addRoot(context: Context): void {
  const { builder, input, linux, namespaces, devices, rootSlot, openEarly } = context;
  if (!namespaces.has("mount")) {
    builder.ops.push({ op: "openRoot", path: input.rootfs });
    openDevices(builder, devices);
    return;
  }
  const wanted = propagationFlag(linux.rootfsPropagation ?? "") || MS.SLAVE | MS.REC;
  // nothing could be opened in an unbindable tree; the root becomes so at the end (setRootAttributes)
  const propagation = (wanted & MS.UNBINDABLE) === 0 ? wanted : MS.PRIVATE;
  builder.ops.push({ op: "setPropagation", path: "/", flags: BigInt(propagation | MS.REC) });
  if (input.rootfsMountPoint !== undefined) {
    const path = input.rootfsMountPoint;
    builder.ops.push({ op: "setPropagation", path, flags: BigInt(MS.PRIVATE) });
  }
  if (!openEarly) {
    builder.ops.push({ op: "openTree", slot: rootSlot, path: input.rootfs, recursive: 1 });
    addPropagation(builder, rootSlot, MS.SLAVE | MS.REC);
  }
  builder.ops.push({ op: "attachRoot", slot: rootSlot, path: input.rootfs });
  if (!openEarly) openDevices(builder, devices);
}

/** A /dev bound from outside stays as it is. */
function addDev({ builder, input, process, devices }: Context): void {
  if (!bindsDev(input.spec)) {
    addDevices(builder, devices);
    addDeviceLinks(builder, input.hasKcore);
  }
  const { cwd } = process;
  if (cwd !== "/")
    builder.ops.push({ op: "makeDirectory", path: cwd, mode: 0o755, uid: 0, gid: 0 });
}

/**
 * Network devices, prestart and createRuntime in the parent, then createContainer by init, all while the host's paths
 * still exist.
 */
function addRuntimeHooks({ builder, input, linux }: Context): void {
  const { hooks = {} } = input.spec;
  const hasDevices = Object.keys(linux.netDevices ?? {}).length > 0;
  if (hasDevices || hooks.prestart || hooks.createRuntime || hooks.createContainer) {
    builder.ops.push({ op: "sync", point: syncPoint.runtimeHooks });
  }
  addHooks(builder, hooks.createContainer);
}

/** Masks come before the pivot, while the host's /dev/null can be reached. */
function addRestrictions({ builder, linux, namespaces }: Context): void {
  if (!namespaces.has("mount")) return;
  for (const path of linux.readonlyPaths ?? []) builder.ops.push({ op: "readonlyPath", path });
  for (const path of linux.maskedPaths ?? []) builder.ops.push({ op: "maskPath", path });
}

function addNames({ builder, input, linux }: Context): void {
  const { hostname, domainname } = input.spec;
  if (hostname) builder.ops.push({ op: "hostname", name: hostname });
  if (domainname) builder.ops.push({ op: "domainname", name: domainname });
  for (const [key, value] of Object.entries(linux.sysctl ?? {})) {
    builder.ops.push({ op: "writeProc", path: `sys/${sysctlPath(key)}`, value, optional: 0 });
  }
}

function addPivot({ builder, input, process, linux, namespaces }: Context): void {
  if (process.terminal === true) {
    const { height = 0, width = 0 } = process.consoleSize ?? {};
    const uid = process.user?.uid ?? 0;
    const mount = namespaces.has("mount") ? 1 : 0;
    builder.ops.push({ op: "console", rows: height, columns: width, uid, mount });
  }
  if (!namespaces.has("mount")) builder.ops.push({ op: "chroot" });
  else if (input.noPivot) builder.ops.push({ op: "moveRoot" });
  else builder.ops.push({ op: "pivotRoot" });
  const set = input.spec.root?.readonly === true ? MOUNT_ATTR.RDONLY : 0n;
  const propagation = BigInt(propagationFlag(linux.rootfsPropagation ?? "") & ~MS.REC);
  if (namespaces.has("mount") && (set !== 0n || propagation !== 0n)) {
    builder.ops.push({ op: "setRootAttributes", set, propagation });
  }
}

function addProcess({ builder, input, process, linux, namespaces }: Context): void {
  const program: ProgramInput = {
    process,
    linux,
    seccomp: input.seccomp,
    labels: input.labels,
    inUserNamespace: namespaces.has("user"),
    setGroupsDenied: input.setGroupsDenied,
    inherited: input.inherited,
    gateFd: input.gateFd,
    keyring: input.newKeyring ? { name: `_ses.${input.id}`, create: true } : undefined,
  };
  addProgram(builder, program);
  if (input.gateFd >= 0) builder.ops.push({ op: "startGate", fd: input.gateFd });
  addFilter(builder, program, "before program");
  addHooks(builder, input.spec.hooks?.startContainer);
  addExecution(builder, program);
}

function bindsDev(spec: Spec): boolean {
  return (spec.mounts ?? []).some(
    ({ destination, options = [], type }) =>
      absolutePath(destination, "/") === "/dev" &&
      (type === "bind" || options.includes("bind") || options.includes("rbind")),
  );
}

/** Lines for timens_offsets (time_namespaces(7)). */
function timeOffsets(linux: Linux): string {
  const lines: string[] = [];
  for (const [clock, offset] of Object.entries(linux.timeOffsets ?? {})) {
    lines.push(`${clock} ${offset?.secs ?? 0} ${offset?.nanosecs ?? 0}`);
  }
  return lines.join("\n");
}
