/** Takes a bundle to a container whose init is ready for its program; `create` and `run` both start here. */
import type { Spec } from "../../schemas/generated/config.ts";
import { fail } from "../base/errors.ts";
import { checkContainerId } from "../base/ids.ts";
import { span } from "../base/trace.ts";
import { type Undo, withUndo } from "../base/undo.ts";
import type { CgroupManager } from "../cgroups/manager.ts";
import { openCgroups } from "../cgroups/open.ts";
import { processStat } from "../host/process-stat.ts";
import { buildCreatePlan } from "../plan/create.ts";
import type { SeccompFilter } from "../plan/process.ts";
import { rootlessProblem } from "../spec/check.ts";
import { announce } from "./announce.ts";
import type { Runtime } from "./context.ts";
import { withFds } from "./fds.ts";
import { hookState, runHooks, runHooksWarning, stateMemory } from "./hooks.ts";
import { writeIdMaps } from "./id-maps.ts";
import { converse, type InitProcess, type Session, spawnInit } from "./init-session.ts";
import { firstState } from "./new-state.ts";
import { addNotifySocket, closeRelay, type NotifyRelay, openRelay } from "./notify.ts";
import { collectPlanInput } from "./plan-input.ts";
import { joinRdt, makeRdt, planRdt, removeRdt } from "./rdt.ts";
import { resolveRootfs } from "./rootfs.ts";
import { sendListener } from "./seccomp-agent.ts";
import { loadFilter } from "./seccomp-filter.ts";
import { claimDir, freezeConfig, removeDir, type StateFile, saveState } from "./store.ts";
import { destroy, removeCgroups, unmountBelow } from "./tear-down.ts";
import type { TerminalKeeper } from "./terminal.ts";

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
  /** Gets the terminal's master; the caller closes it, after a failure too. */
  readonly terminal: TerminalKeeper;
  /** What becomes 0, 1 and 2 where there is no terminal; our own by default. They stay the caller's. */
  readonly stdio?: readonly [number, number, number];
  /** Called before anybody is told of the container, and before its program runs. */
  readonly beforeProgram?: () => void;
}

export interface BroughtUp {
  readonly state: StateFile;
  /** The caller closes its pidfd. */
  readonly init: InitProcess;
  readonly cgroups: CgroupManager;
  /** The way of sd_notify(3) messages; the caller closes it. Only without a gate: `start` opens its own. */
  readonly relay: NotifyRelay | undefined;
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

/** On failure everything made is taken back; a kill at any moment leaves what `delete --force` removes. */
export async function bringUp(
  rt: Runtime,
  options: CreateOptions,
  mode: BringUpMode,
  spec: Spec,
): Promise<BroughtUp> {
  const { id, bundle } = options;
  checkContainerId(id);
  checkPrivileges(spec);
  if (spec.linux?.sysctl !== undefined)
    (await import("./host-namespaces.ts")).checkNetSysctls(spec);
  const rootfs = resolveRootfs(spec, bundle);
  const filterLoaded = span("seccomp filter");
  const seccomp = await loadFilter(rt, spec);
  filterLoaded();
  const rdt = await planRdt(spec, id);
  return withUndo(async (undo) => {
    const stateMade = span("state directory");
    claimDir(rt.root, id);
    const progress = { hooksBegan: false };
    undo.push(() => poststopAfterHooks(rt, options, spec, progress));
    undo.push(() => void removeDir(rt.root, id));
    freezeConfig(rt.root, id, spec);
    const cgroups = await chooseCgroups(rt, options, spec);
    const state = firstState(options, spec, rootfs, cgroups, rdt);
    // the paths are on disk before the first directory is made, so that nothing is ever lost track of
    saveState(rt.root, state);
    stateMade();
    const cgroupsMade = span("cgroups");
    undo.push(() => removeCgroups(rt, cgroups));
    for (const warning of cgroups.create(spec.linux?.resources)) rt.log.warn(warning);
    cgroupsMade();
    undo.push(() => removeRdt(rdt));
    await makeRdt(rdt, spec);
    const notifying = addNotifySocket(rt, id, spec);
    const draft: Draft = { rt, options, mode, spec: notifying, rootfs, cgroups, state, progress };
    return launch(draft, seccomp, undo);
  });
}

/** Without privileges a container needs a user namespace, and says so better than mount(2) does. */
function checkPrivileges(spec: Spec): void {
  if (process.geteuid?.() === 0) return;
  const problem = rootlessProblem(spec);
  if (problem !== undefined) throw fail("InvalidArgument", problem);
}

async function chooseCgroups(
  rt: Runtime,
  options: CreateOptions,
  spec: Spec,
): Promise<CgroupManager> {
  const cgroupsPath = spec.linux?.cgroupsPath;
  const rootUid = spec.linux?.uidMappings && (await import("./cgroup-owner.ts")).cgroupOwner(spec);
  return openCgroups({
    id: options.id,
    ...(cgroupsPath === undefined ? {} : { cgroupsPath }),
    systemd: rt.systemdCgroup,
    rootless: rt.rootless === "true" || (rt.rootless === "auto" && process.geteuid?.() !== 0),
    ...(rootUid === undefined ? {} : { owner: rootUid }),
    native: rt.native,
  });
}

async function launch(
  draft: Draft,
  seccomp: SeccompFilter | undefined,
  undo: Undo,
): Promise<BroughtUp> {
  const { rt, options, mode, state, cgroups, rootfs } = draft;
  const relay = mode.gate ? undefined : openRelay(rt, options.id);
  undo.push(() => closeRelay(relay));
  if (state.sharesMountNamespace) undo.push(() => unmountBelow(rt, rootfs));
  const session = spawn(draft, seccomp);
  undo.push(() => destroy(rt, state, cgroups));
  const { pid } = session.first;
  rt.log.debug(`container init has pid ${pid}, ${session.plan.ops.length} operations to do`);
  return { ...(await guide(draft, session)), cgroups, relay };
}

function spawn(draft: Draft, seccomp: SeccompFilter | undefined): Session {
  const { rt, options, mode, spec, rootfs, cgroups } = draft;
  return withFds((own) => {
    const planned = span("plan");
    const subject = { ...options, spec, rootfs, cgroups, seccomp, gate: mode.gate };
    const { input, fds, cgroupDirectory } = collectPlanInput(rt, subject, own);
    const plan = buildCreatePlan(input);
    planned();
    return spawnInit(rt, {
      plan,
      stdio: spec.process?.terminal === true ? [-1, -1, -1] : (mode.stdio ?? [0, 1, 2]),
      fds,
      cgroupFd: cgroupDirectory,
    });
  });
}

/** Our part at each of init's sync points. */
async function guide(
  draft: Draft,
  session: Session,
): Promise<{ readonly state: StateFile; readonly init: InitProcess }> {
  const { rt, spec, mode } = draft;
  let state = draft.state;
  const init = await converse(
    rt,
    session,
    {
      mapIds: ({ pid }) => writeIdMaps(rt, pid, spec.linux ?? {}),
      runtimeHooks: (created) => runtimeHooks(draft, created),
      ready: async (created) => {
        mode.beforeProgram?.();
        await joinRdt(state.rdt, created.pid);
        state = recordReady(draft, created);
        return stateForInit(draft, state);
      },
      console: (master, name) => mode.terminal.receive(master, name),
      notify: (listener, { pid }) => {
        sendListener(rt, spec, hookState(draft.state, "creating", pid), listener);
      },
    },
    !mode.gate,
  );
  return { state, init };
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
  // Spec, runtime.md, state: "created" is what comes after step 2 of the lifecycle, prestart hooks are step 3. For the
  // later kinds that would hold as well, but there callers know runc's "creating".
  await runHooks(rt, "prestart", prestart, hookState(state, "created", init.pid));
  await runHooks(rt, "createRuntime", createRuntime, document);
  return createContainer === undefined ? -1 : stateMemory(rt, document);
}

/** From here on the container exists, whatever happens to this process. */
function recordReady({ rt, options, state, cgroups }: Draft, init: InitProcess): StateFile {
  const { mode, paths } = cgroups; // fewer than at first where a hierarchy could not be used
  const final: StateFile = {
    ...state,
    phase: "created",
    pid: init.pid,
    startTime: processStat(init.pid)?.startTime ?? "",
    cgroups: { mode, paths },
  };
  saveState(rt.root, final);
  announce(rt, options, init);
  return final;
}

/** `run` has no start to bring the state for startContainer hooks. */
function stateForInit({ rt, mode, spec }: Draft, final: StateFile): number {
  if (mode.gate || spec.hooks?.startContainer === undefined) return -1;
  return stateMemory(rt, hookState(final, "created", final.pid));
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
