/** `ps`: the pids in a container. */
import type { Runtime } from "./context.ts";
import { openManaged } from "./managed.ts";
import { requireAlive } from "./status.ts";

/** Host pids of every process in the container's cgroup, sub-cgroups included. */
export function pids(rt: Runtime, id: string): number[] {
  const container = openManaged(rt, id);
  requireAlive(container);
  return container.cgroups?.pids() ?? [container.state.pid];
}
