/** Takes a bundle to a container whose init is ready for its program; `create` and `run` both start here. */
import { closeSync, existsSync, openSync } from "node:fs";
import type { Spec } from "../../schemas/generated/config.ts";
import { checkContainerId } from "../base/ids.ts";
import { type Undo, withUndo } from "../base/undo.ts";
import type { CgroupManager } from "../cgroups/manager.ts";
import { openCgroups } from "../cgroups/open.ts";
import { cgroupHost } from "../host/cgroup-mode.ts";
import { processStat } from "../host/process-stat.ts";
import type { CgroupHierarchyFacts } from "../plan/cgroup-mounts.ts";
import { buildCreatePlan } from "../plan/create.ts";
import type { JoinedNamespace } from "../plan/namespaces.ts";
import type { Plan } from "../plan/plan.ts";
import type { SeccompFilter } from "../plan/process.ts";
import { namespaceFlag } from "../spec/namespaces.ts";
import type { Runtime } from "./context.ts";
import { hookState, runHooks, runHooksWarning, stateMemory } from "./hooks.ts";
import { deniesSetGroups, writeIdMaps } from "./id-maps.ts";
import { converse, type InitProcess, spawnInit } from "./init-session.ts";
import { openNamespaces } from "./namespace-fds.ts";
import { writePidFile } from "./pid-file.ts";
import { type InheritedFds, inheritedFds } from "./preserved-fds.ts";
import { resolveRootfs, sharedMountPoint } from "./rootfs.ts";
import { sendListener } from "./seccomp-agent.ts";
import { claimDir, freezeConfig, gateName, removeDir, type StateFile, saveState } from "./store.ts";
import { destroy } from "./tear-down.ts";
import { sendPidfd, sendTerminal } from "./terminal.ts";

export interface CreateOptions {
  readonly id: string;
  /** Absolute. */
  readonly bundle: string;
  readonly consoleSocket?: string;
  readonly pidFile?: string;
  readonly pidfdSocket?: string;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  readonly preserveFds: number;
}

/** How the container is going on after init is ready. */
export interface BringUpMode {
  /** Wait at the gate for `start` (create), or execute the program at once (run). */
  readonly gate: boolean;
  /** The caller's own terminal is used: here the master arrives. */
  readonly terminal?: (master: number) => void;
}

export interface BroughtUp {
  readonly state: StateFile;
  readonly init: InitProcess;
  readonly spec: Spec;
}

/** What the steps share. */
interface Draft {
  readonly rt: Runtime;
  readonly options: CreateOptions;
  readonly mode: BringUpMode;
  readonly spec: Spec;
  readonly rootfs: string;
  readonly cgroups: CgroupManager;
  readonly state: StateFile;
  readonly progress: { hooksBegan: boolean };
}

/** Fds that the plan refers to. */
interface PlanFds {
  readonly joins: readonly JoinedNamespace[];
  readonly cgroups: readonly { readonly fd: number; readonly path: string }[];
  readonly cgroupDir: number;
  readonly gate: number;
  readonly inherited: InheritedFds;
}

/** On failure everything made is taken back; a kill at any moment leaves what `delete --force` removes. */
export async function bringUp(
  rt: Runtime,
  options: CreateOptions,
  mode: BringUpMode,
  spec: Spec,
): Promise<BroughtUp> {
  checkContainerId(options.id);
  const rootfs = resolveRootfs(spec, options.bundle);
  const seccomp = await compileFilter(rt, spec);
  return withUndo(async (undo) => {
    claimDir(rt.root, options.id);
    const progress = { hooksBegan: false };
    undo.push(() => poststopAfterHooks(rt, options, spec, progress));
    undo.push(() => removeDir(rt.root, options.id));
    freezeConfig(rt.root, options.id, spec);
    const cgroups = chooseCgroups(rt, options, spec);
    const state = firstState(options, spec, rootfs, cgroups);
    // the paths are on disk before the first directory is made, so that nothing is ever lost track of
    saveState(rt.root, state);
    const draft: Draft = { rt, options, mode, spec, rootfs, cgroups, state, progress };
    undo.push(() => cgroups.remove());
    for (const warning of cgroups.create(spec.linux?.resources)) rt.log.warn(warning);
    return start(draft, seccomp, undo);
  });
}

async function compileFilter(rt: Runtime, spec: Spec): Promise<SeccompFilter | undefined> {
  const profile = spec.linux?.seccomp;
  if (profile === undefined) return undefined;
  const { loadFilter } = await import("./seccomp-filter.ts");
  return loadFilter(rt, profile);
}

function chooseCgroups(rt: Runtime, options: CreateOptions, spec: Spec): CgroupManager {
  const cgroupsPath = spec.linux?.cgroupsPath;
  const rootUid = spec.linux?.uidMappings?.find((mapping) => mapping.containerID === 0)?.hostID;
  return openCgroups({
    id: options.id,
    ...(cgroupsPath === undefined ? {} : { cgroupsPath }),
    systemd: rt.systemdCgroup,
    rootless: rt.rootless === "true" || (rt.rootless === "auto" && process.geteuid?.() !== 0),
    ...(rootUid === undefined ? {} : { owner: rootUid }),
    native: rt.native,
  });
}

function firstState(
  options: CreateOptions,
  spec: Spec,
  rootfs: string,
  cgroups: CgroupManager,
): StateFile {
  const namespaces = spec.linux?.namespaces ?? [];
  const isPrivate = (type: string) =>
    namespaces.some((namespace) => namespace.type === type && !namespace.path);
  const { poststart, poststop } = spec.hooks ?? {};
  return {
    version: 1,
    id: options.id,
    ociVersion: spec.ociVersion,
    bundle: options.bundle,
    rootfs,
    created: now(),
    owner: process.geteuid?.() ?? 0,
    phase: "creating",
    creator: { pid: process.pid, startTime: processStat(process.pid)?.startTime ?? "" },
    pid: 0,
    startTime: "",
    cgroups: { mode: cgroups.mode, paths: cgroups.paths },
    namespaces: namespaces.reduce((flags, { type }) => flags | namespaceFlag(type), 0),
    sharesPidNamespace: !isPrivate("pid"),
    sharesMountNamespace: !namespaces.some(({ type }) => type === "mount"),
    keyring: !options.noNewKeyring,
    hasStartHooks: (spec.hooks?.startContainer ?? []).length > 0,
    ...(spec.annotations === undefined ? {} : { annotations: spec.annotations }),
    ...(poststart === undefined ? {} : { poststart }),
    ...(poststop === undefined ? {} : { poststop }),
  };
}

/** RFC 3339 with nanoseconds, as Go prints it; the clock here gives milliseconds. */
function now(): string {
  return new Date().toISOString().replace("Z", "000000Z").replace(/0+Z$/, "Z").replace(".Z", "Z");
}

async function start(
  draft: Draft,
  seccomp: SeccompFilter | undefined,
  undo: Undo,
): Promise<BroughtUp> {
  const { rt, spec, mode } = draft;
  const fds = openPlanFds(draft);
  let session: ReturnType<typeof spawnInit>;
  try {
    const plan = planFor(draft, fds, seccomp);
    session = spawnInit(rt, {
      plan,
      stdio: spec.process?.terminal === true ? [-1, -1, -1] : [0, 1, 2],
      fds: [...planFds(fds), ...fds.inherited.fds],
      cgroupFd: fds.cgroupDir,
    });
  } finally {
    for (const fd of planFds(fds)) closeSync(fd);
    if (fds.cgroupDir >= 0) closeSync(fds.cgroupDir);
  }
  rt.log.debug(
    `container init started with pid ${session.first.pid}, ${session.plan.ops.length} operations`,
  );
  undo.push(() => destroy(rt, draft.state, draft.cgroups));
  let final = draft.state;
  const init = await converse(
    rt,
    session,
    {
      mapIds: ({ pid }) => writeIdMaps(rt, pid, spec.linux ?? {}),
      runtimeHooks: (created) => runtimeHooks(draft, created),
      ready: async (created) => {
        final = recordReady(draft, created);
        return stateForInit(draft, final);
      },
      console: (master, name) => deliverTerminal(draft, master, name),
      notify: (listener, created) => {
        sendListener(rt, spec, hookState(draft.state, "creating", created.pid), listener);
      },
    },
    !mode.gate,
  );
  return { state: final, init, spec };
}

function openPlanFds(draft: Draft): PlanFds {
  const { rt, options, mode, spec, cgroups } = draft;
  const inherited = inheritedFds(rt, options.preserveFds);
  const joins = openNamespaces(spec.linux?.namespaces ?? []);
  const cgroupFds = cgroups.joinFds().map((fd) => ({ fd, path: "cgroup" }));
  return {
    joins,
    cgroups: cgroupFds,
    cgroupDir: cgroups.joinDirFd(),
    gate: mode.gate ? openGate(rt, options.id) : -1,
    inherited,
  };
}

function openGate(rt: Runtime, id: string): number {
  const dir = openSync(`${rt.root}/${id}`, "r");
  try {
    return rt.native().listenAt(dir, gateName);
  } finally {
    closeSync(dir);
  }
}

/** What init gets; never the cgroup's directory, through which it could leave the container (CVE-2016-9962). */
function planFds({ joins, cgroups, gate }: PlanFds): number[] {
  const fds = [...joins.map(({ fd }) => fd), ...cgroups.map(({ fd }) => fd)];
  return gate >= 0 ? [...fds, gate] : fds;
}

function planFor(draft: Draft, fds: PlanFds, seccomp: SeccompFilter | undefined): Plan {
  const { options, spec, rootfs, cgroups } = draft;
  const needsCgroupMounts = (spec.mounts ?? []).some(({ type }) => type === "cgroup");
  return buildCreatePlan({
    id: options.id,
    spec,
    bundle: options.bundle,
    rootfs,
    joins: fds.joins,
    cgroupFds: fds.cgroups,
    cgroupMounts: {
      mode: cgroups.mode,
      hierarchies: needsCgroupMounts ? hierarchiesOf(cgroups) : [],
      namespaced: (spec.linux?.namespaces ?? []).some(({ type }) => type === "cgroup"),
    },
    seccomp,
    noPivot: options.noPivot,
    newKeyring: !options.noNewKeyring,
    inherited: fds.inherited,
    gateFd: fds.gate,
    rootfsMountPoint: sharedMountPoint(spec, rootfs),
    hasKcore: existsSync("/proc/kcore"),
    setGroupsDenied: deniesSetGroups(spec.linux ?? {}),
  });
}

function hierarchiesOf(cgroups: CgroupManager): CgroupHierarchyFacts[] {
  return cgroupHost().hierarchies.flatMap(({ controllers, mountPoint }) => {
    const path = cgroups.paths[controllers[0] ?? ""];
    if (path === undefined || controllers[0] === "") return [];
    return [{ name: mountPoint.slice(mountPoint.lastIndexOf("/") + 1), controllers, path }];
  });
}

/** A container whose hooks failed goes through its end like any other (runtime-spec, lifecycle step 12). */
async function poststopAfterHooks(
  rt: Runtime,
  { id, bundle }: CreateOptions,
  { ociVersion, annotations, hooks }: Spec,
  { hooksBegan }: Draft["progress"],
): Promise<void> {
  if (!hooksBegan) return;
  const state = { ociVersion, id, bundle, ...(annotations === undefined ? {} : { annotations }) };
  await runHooksWarning(rt, "poststop", hooks?.poststop, { ...state, status: "stopped" });
}

async function runtimeHooks(draft: Draft, init: InitProcess): Promise<number> {
  const { rt, spec, state, progress } = draft;
  const { netDevices = {} } = spec.linux ?? {};
  if (Object.keys(netDevices).length > 0) {
    const { moveNetDevices } = await import("./net-devices.ts");
    await moveNetDevices(rt, init.pid, netDevices);
  }
  progress.hooksBegan = true;
  const document = hookState(state, "creating", init.pid);
  const { prestart, createRuntime, createContainer } = spec.hooks ?? {};
  await runHooks(rt, "prestart", prestart, document);
  await runHooks(rt, "createRuntime", createRuntime, document);
  return createContainer === undefined ? -1 : stateMemory(rt, document);
}

/** From here on the container exists, whatever happens to this process. */
function recordReady({ rt, options, state, cgroups }: Draft, init: InitProcess): StateFile {
  const startTime = processStat(init.pid)?.startTime ?? "";
  const { mode, paths } = cgroups; // fewer than at first where a hierarchy could not be used
  const final: StateFile = {
    ...state,
    phase: "created",
    pid: init.pid,
    startTime,
    cgroups: { mode, paths },
  };
  saveState(rt.root, final);
  if (options.pidfdSocket) sendPidfd(rt, options.pidfdSocket, init.pidfd);
  if (options.pidFile) writePidFile(options.pidFile, init.pid);
  return final;
}

/** `run` has no start to bring the state for startContainer hooks. */
function stateForInit({ rt, mode, spec }: Draft, final: StateFile): number {
  if (mode.gate || spec.hooks?.startContainer === undefined) return -1;
  return stateMemory(rt, hookState(final, "created", final.pid));
}

function deliverTerminal({ rt, options, mode }: Draft, master: number, name: string): void {
  if (mode.terminal !== undefined) {
    rt.native().prepareTerminal(master);
    mode.terminal(master);
  } else sendTerminal(rt, options.consoleSocket ?? "", master, name);
}
