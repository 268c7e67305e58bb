/** `events`: measurements of a container, and word of its out-of-memory kills. */
import { fail } from "../base/errors.ts";
import type { CgroupManager } from "../cgroups/manager.ts";
import { readStats } from "../cgroups/read-stats.ts";
import type { CgroupStats } from "../cgroups/stats.ts";
import type { Runtime } from "./context.ts";
import { openManaged } from "./managed.ts";

/** runc's envelope; an oom event has no data. */
export interface ContainerEvent {
  readonly type: "stats" | "oom";
  readonly id: string;
  readonly data?: CgroupStats;
}

export function stats(rt: Runtime, id: string): CgroupStats {
  return readStats(liveCgroups(rt, id));
}

/** Emits a measurement each interval and an event for each kill, until the container's cgroup is gone. */
export async function watchEvents(
  rt: Runtime,
  id: string,
  intervalMs: number,
  emit: (event: ContainerEvent) => void,
): Promise<void> {
  const cgroups = liveCgroups(rt, id);
  const oom = cgroups.oomEvents();
  try {
    let due = Date.now() + intervalMs;
    while (cgroups.exists()) {
      const ready = await rt.waiter.wait(oom.fds, Math.max(due - Date.now(), 0));
      if (ready.length > 0) {
        const { killed, gone } = oom.take();
        for (let i = 0; i < killed; i++) emit({ type: "oom", id });
        if (gone) return;
      }
      if (Date.now() < due) continue;
      due += intervalMs;
      if (cgroups.exists()) emit({ type: "stats", id, data: readStats(cgroups) });
    }
  } finally {
    oom.close();
  }
}

function liveCgroups(rt: Runtime, id: string): CgroupManager {
  const container = openManaged(rt, id);
  if (container.status === "stopped" || container.status === "creating") {
    throw fail("FailedPrecondition", `container with id ${id} is not running`);
  }
  if (container.cgroups === undefined) {
    throw fail("FailedPrecondition", "the container has no cgroup to measure");
  }
  return container.cgroups;
}
