/** `pause` and `resume`: the container's freezer. */
import { fail } from "../base/errors.ts";
import type { CgroupManager } from "../cgroups/manager.ts";
import type { Runtime } from "./context.ts";
import { type ManagedContainer, openManaged } from "./managed.ts";

/** @throws FailedPrecondition unless the container is running or created. */
export async function pause(rt: Runtime, id: string): Promise<void> {
  const container = openManaged(rt, id);
  if (container.status !== "running" && container.status !== "created") {
    throw fail("FailedPrecondition", `container not running or created: ${container.status}`);
  }
  await freeze(rt, freezerOf(container));
}

/** @throws FailedPrecondition "container not paused". */
export async function resume(rt: Runtime, id: string): Promise<void> {
  const container = openManaged(rt, id);
  if (container.status !== "paused") throw fail("FailedPrecondition", "container not paused");
  freezerOf(container).thaw();
}

/** Returns when every process is frozen. Throws, thawed again, when that cannot be reached. */
async function freeze(rt: Runtime, cgroups: CgroupManager): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const pauseMs = cgroups.stepFreeze(attempt);
    if (pauseMs === undefined) return;
    if (pauseMs > 0) await rt.waiter.wait([], Math.ceil(pauseMs));
  }
}

function freezerOf({ cgroups }: ManagedContainer): CgroupManager {
  if (cgroups === undefined)
    throw fail("FailedPrecondition", "the container has no cgroup to freeze");
  return cgroups;
}
