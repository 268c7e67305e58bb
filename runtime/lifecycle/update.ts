/** `update`: new limits for a live container. */
import type { LinuxResources } from "../../schemas/generated/config.ts";
import { fail } from "../base/errors.ts";
import type { Runtime } from "./context.ts";
import { openManaged } from "./managed.ts";
import { requireAlive } from "./status.ts";

/** Writes what is given and leaves the rest; when one limit is refused the others are as before. */
export async function update(rt: Runtime, id: string, resources: LinuxResources): Promise<void> {
  const container = openManaged(rt, id);
  requireAlive(container);
  if (container.cgroups === undefined) {
    throw fail("FailedPrecondition", "the container has no cgroup to update");
  }
  for (const warning of container.cgroups.update(completeResources(resources)))
    rt.log.warn(warning);
}

/**
 * What runc does to every update, from flags or file: a memory limit that is lifted lifts the swap limit with it
 * (the kernel refuses swap below memory).
 */
export function completeResources(resources: LinuxResources): LinuxResources {
  const memory = resources.memory;
  if (memory === undefined || memory.swap !== undefined) return resources;
  if (memory.limit === undefined || BigInt(memory.limit) !== -1n) return resources;
  return { ...resources, memory: { ...memory, swap: -1 } };
}
