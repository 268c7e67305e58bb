/** What mounting and unmounting need from whoever does it: the daemon, or the delete helper. */

import { RuntimeError } from "../../runtime/base/errors.ts";
import type { Logger } from "../../runtime/base/log.ts";
import type { Waiter } from "../../runtime/lifecycle/context.ts";
import type { NativeBinding } from "../../runtime/native/binding.ts";

export interface MountEnvironment {
  /** In the daemon the one of Children, so that its reaping leaves us the mount helpers. */
  readonly native: NativeBinding;
  /** The reactor's in the daemon; one that blocks in a helper process. */
  readonly waiter: Waiter;
  readonly log: Pick<Logger, "warn">;
  /** How long a busy mount is waited for before it is detached; 2500 when not given. */
  readonly patienceMs?: number;
}

/** Waits for what mounts.mount or mounts.unmount has started; throws what it ended with. */
export async function outcome(env: MountEnvironment, job: number): Promise<number> {
  await env.waiter.wait([job], -1);
  return env.native.mounts.result(job);
}

/** The kernel's own words on a failed mount. */
export function detailOf(error: unknown): string | undefined {
  if (error instanceof RuntimeError) return undefined;
  const detail = (error as { readonly detail?: unknown } | null)?.detail;
  return typeof detail === "string" ? detail : undefined;
}
