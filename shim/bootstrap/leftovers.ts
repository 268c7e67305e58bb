/** The part of `delete` for containers that were not removed as they should have been: loaded only for those. */

import { describe, fail } from "../../runtime/base/errors.ts";
import { openLog } from "../../runtime/base/log.ts";
import { blockingWaiter } from "../../runtime/lifecycle/blocking-waiter.ts";
import type { Runtime, Waiter } from "../../runtime/lifecycle/context.ts";
import { remove } from "../../runtime/lifecycle/delete.ts";
import { loadNative, type NativeBinding } from "../../runtime/native/binding.ts";
import { PLAN_ABI } from "../../schemas/generated/plan.ts";
import { unmountRootfs } from "../rootfs/unmount.ts";

/** Of the 5 s after which containerd kills us: for processes and hooks, and for all. */
const containerMs = 2500;
const totalMs = 4500;
/** The rest of it, when a busy mount is detached. */
const detachMs = 500;

export interface Leftovers {
  /** State root of the containers of the namespace. */
  readonly root: string;
  readonly id: string;
  readonly rootfs: string;
}

/**
 * Kills the container; removes its cgroups, state and mounts; runs poststop hooks. Fine when there is none of it.
 * @param warn gets what could not be done: each step is tried whatever became of the one before.
 */
export async function removeLeftovers(
  { root, id, rootfs }: Leftovers,
  warn: (text: string) => void,
): Promise<void> {
  const native = loadNative(PLAN_ABI);
  const began = Date.now();
  try {
    await remove(runtime(native, root, waiterUntil(native, began + containerMs)), id, true);
  } catch (error) {
    warn(`delete container ${id}: ${describe(error)}`);
  }
  try {
    const patienceMs = Math.max(began + totalMs - detachMs - Date.now(), 0);
    await unmountRootfs(
      { native, waiter: waiterUntil(native, began + totalMs), log: { warn }, patienceMs },
      rootfs,
    );
  } catch (error) {
    warn(describe(error));
  }
}

/** Waits that would outlast the deadline fail: what is waited for goes on, and so do we. */
function waiterUntil(native: NativeBinding, deadline: number): Waiter {
  const inner = blockingWaiter(() => native);
  return {
    wait: async (fds, timeoutMs) => {
      const left = Math.max(deadline - Date.now(), 0);
      const ready = await inner.wait(fds, timeoutMs < 0 ? left : Math.min(timeoutMs, left));
      if (ready.length === 0 && Date.now() >= deadline) {
        throw fail("DeadlineExceeded", "gave up waiting, since containerd soon would");
      }
      return ready;
    },
  };
}

function runtime(native: NativeBinding, root: string, waiter: Waiter): Runtime {
  return {
    root,
    rootGiven: false,
    systemdCgroup: false,
    rootless: "auto",
    debug: false,
    log: openLog({ file: "", format: "text", debug: false }),
    env: {},
    native: () => native,
    waiter,
  };
}
