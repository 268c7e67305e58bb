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
  freezerOf(container).freeze();
}

/** @throws FailedPrecondition "container not paused". */
export async function resume(rt: Runtime, id: string): Promise<void> {
  const container = openManaged(rt, id);
  if (container.status !== "paused") throw fail("FailedPrecondition", "container not paused");
  freezerOf(container).thaw();
}

function freezerOf({ cgroups }: ManagedContainer): CgroupManager {
  if (cgroups === undefined)
    throw fail("FailedPrecondition", "the container has no cgroup to freeze");
  return cgroups;
}
