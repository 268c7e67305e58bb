/** Freezes and removes cgroups in tests, blocking; the lifecycle has ways that do not. */
import { expect } from "chai";
import { sleep } from "./kernel-files.ts";
import type { CgroupManager } from "./manager.ts";

export function freeze(cgroups: CgroupManager): void {
  for (let attempt = 0; ; attempt++) {
    const pauseMs = cgroups.stepFreeze(attempt);
    if (pauseMs === undefined) return;
    sleep(pauseMs);
  }
}

/** Removes with patience: dying processes hold their cgroup for a moment. */
export function remove(cgroups: CgroupManager): void {
  for (let attempt = 0; !cgroups.tryRemove(); attempt++) {
    expect(attempt, "attempts to remove the cgroup").to.be.below(100);
    sleep(10);
  }
}
