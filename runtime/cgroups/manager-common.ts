/** What both managers do alike: options, tolerated errors, signalling process by process. */
import { errnoOf } from "../base/errors.ts";
import { inUserNamespace } from "../host/user-namespace.ts";
import type { NativeBinding } from "../native/binding.ts";
import { sleep } from "./kernel-files.ts";
import type { CgroupManager } from "./manager.ts";

export interface ManagerOptions {
  readonly native: () => NativeBinding;
  readonly rootless: boolean;
  /** Was cgroupsPath given? Then not getting it is an error, rootless or not. */
  readonly explicitPath: boolean;
}

/**
 * Rootless without a wish for a certain path: having no cgroup is no failure until a limit is asked
 * for.
 */
export function tolerable(error: unknown, options: ManagerOptions): boolean {
  if (!options.rootless || options.explicitPath) return false;
  const errno = errnoOf(error);
  return errno === "EPERM" || errno === "EACCES" || errno === "EROFS";
}

/**
 * May device rules stay without effect? Only the host's root can set them; a user namespace cannot make nodes of other
 * devices anyway.
 */
export function mayLackDeviceRules(error: unknown, options: ManagerOptions): boolean {
  return options.rootless || (errnoOf(error) === "EPERM" && inUserNamespace());
}

/** How long signalPids may block for the freezer: processes in uninterruptible sleep delay it. Milliseconds. */
const freezeMs = 30;

function freezeFor(manager: Pick<CgroupManager, "stepFreeze">, limitMs: number): void {
  for (let attempt = 0, waitedMs = 0; waitedMs < limitMs; attempt++) {
    const pauseMs = manager.stepFreeze(attempt);
    if (pauseMs === undefined) return;
    if (pauseMs > 0) sleep(pauseMs);
    waitedMs += pauseMs;
  }
}

/**
 * Signals every process. Frozen processes cannot fork away meanwhile; where freezing is impossible
 * the list is read again until it has nobody new.
 */
export function signalPids(
  manager: Pick<CgroupManager, "pids" | "stepFreeze" | "thaw">,
  signal: number,
  native: NativeBinding,
  how: { readonly freeze: boolean; readonly thaw: boolean },
): void {
  if (manager.pids().length === 0) return;
  if (how.freeze) {
    try {
      freezeFor(manager, freezeMs);
    } catch {
      // A freezer that does not settle must not keep a kill from happening.
    }
  }
  try {
    const signalled: Record<number, true> = {};
    for (let pass = 0; pass < 10; pass++) {
      const fresh = manager.pids().filter((pid) => !signalled[pid]);
      if (fresh.length === 0) break;
      for (const pid of fresh) {
        signalled[pid] = true;
        signalOne(native, pid, signal);
      }
    }
  } finally {
    if (how.thaw) manager.thaw();
  }
}

function signalOne(native: NativeBinding, pid: number, signal: number): void {
  try {
    native.kill(pid, signal);
  } catch (error) {
    if (errnoOf(error) !== "ESRCH") throw error;
  }
}
