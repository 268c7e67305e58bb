/** Ends a container's processes and removes what create has made. */
import { closeSync } from "node:fs";
import { errnoOf, fail, type RuntimeError, wrap } from "../base/errors.ts";
import type { CgroupManager } from "../cgroups/manager.ts";
import { mountPoints } from "../host/mounts.ts";
import { isAlive } from "../host/process-stat.ts";
import type { Runtime } from "./context.ts";
import { hookState, runHooksWarning } from "./hooks.ts";
import { removeRdt } from "./rdt.ts";
import { removeDir, type StateFile } from "./store.ts";

const SIGKILL = 9;
/** How long a killed process may take to die; it can be in the middle of an uninterruptible write. */
const killTimeoutMs = 10_000;
const MNT_DETACH = 2;

/** Kills init and everything in the container's cgroups, and waits for their end. Fine when there is nothing. */
export async function destroy(
  rt: Runtime,
  state: StateFile,
  cgroups: CgroupManager | undefined,
): Promise<void> {
  const pidfd = openProcess(rt, state.pid, state.startTime);
  try {
    if (pidfd !== undefined) signal(rt, pidfd);
    const isAlive = pidfd !== undefined;
    if (cgroups !== undefined && holdsOthers(state, isAlive, cgroups) && cgroups.exists()) {
      cgroups.signalAll(SIGKILL);
      cgroups.thaw();
    }
    if (pidfd !== undefined) await rt.waiter.wait([pidfd], killTimeoutMs);
  } finally {
    if (pidfd !== undefined) closeSync(pidfd);
  }
}

function signal(rt: Runtime, pidfd: number): void {
  try {
    rt.native().signalPidfd(pidfd, SIGKILL);
  } catch (error) {
    if (errnoOf(error) !== "ESRCH") throw wrap(error, { op: "kill container" });
  }
}

/**
 * Can there be processes that do not end with init? With a pid namespace of its own the kernel ends the rest, but a
 * frozen container has to be thawed to die, and a killed create may have left an init whose pid is not known.
 */
function holdsOthers(state: StateFile, alive: boolean, cgroups: CgroupManager): boolean {
  return state.sharesPidNamespace || state.pid === 0 || (alive && cgroups.isFrozen());
}

/** A pidfd of the recorded process; undefined when it has ended and its number belongs to another one. */
export function openProcess(rt: Runtime, pid: number, startTime: string): number | undefined {
  // the common case, for which the addon need not be opened
  if (!isAlive(pid, startTime)) return undefined;
  let pidfd: number;
  try {
    pidfd = rt.native().openPidfd(pid);
  } catch (error) {
    if (errnoOf(error) === "ESRCH") return undefined;
    throw wrap(error, { op: `open process ${pid}` });
  }
  // checked with the pidfd in hand: from now on the number cannot change hands
  if (isAlive(pid, startTime)) return pidfd;
  closeSync(pidfd);
  return undefined;
}

/**
 * Removes everything create made: processes, cgroups, mounts, state. poststop hooks come last and cannot fail it
 * (runtime-spec, lifecycle step 13).
 */
export async function removeContainer(
  rt: Runtime,
  state: StateFile,
  cgroups: CgroupManager | undefined,
): Promise<void> {
  await destroy(rt, state, cgroups);
  if (cgroups !== undefined) await removeCgroups(rt, cgroups);
  await removeRdt(state.rdt);
  if (state.sharesMountNamespace) unmountBelow(rt, state.rootfs);
  // of several that delete it at once only one runs the hooks
  if (!removeDir(rt.root, state.id)) return;
  await runHooksWarning(rt, "poststop", state.poststop, hookState(state, "stopped", 0));
}

/** The last and longest pause between attempts to remove a cgroup; all of them take about a second. Milliseconds. */
const lastPauseMs = 512;

/**
 * Removes the cgroups with everything below; absent ones are fine, and dying processes, which hold theirs for a
 * moment, are waited for.
 * @throws FailedPrecondition when something stays busy.
 */
export async function removeCgroups(rt: Runtime, cgroups: CgroupManager): Promise<void> {
  for (let pauseMs = 1; !cgroups.tryRemove(); pauseMs *= 2) {
    if (pauseMs > lastPauseMs) throw stillBusy(cgroups);
    await rt.waiter.wait([], pauseMs);
  }
}

function stillBusy({ paths }: CgroupManager): RuntimeError {
  const [path = ""] = Object.values(paths);
  return fail("FailedPrecondition", `cannot remove cgroup: processes remain in ${path}`, {
    errno: "EBUSY",
    path,
  });
}

/** A container without a mount namespace has left its mounts on the host. */
export function unmountBelow(rt: Runtime, rootfs: string): void {
  const points = mountPoints().filter((point) => point.startsWith(`${rootfs}/`));
  for (const point of points.reverse()) {
    try {
      rt.native().unmount(point, MNT_DETACH);
    } catch (error) {
      // detached along with what held it, or by another delete
      const errno = errnoOf(error);
      if (errno !== "EINVAL" && errno !== "ENOENT")
        throw wrap(error, { op: "unmount", path: point });
    }
  }
}
