/** Removes cgroups in tests; the lifecycle has a way that does not block. */
import { expect } from "chai";
import { sleep } from "./kernel-files.ts";
import type { CgroupManager } from "./manager.ts";

/** Removes with patience: dying processes hold their cgroup for a moment. */
export function remove(cgroups: CgroupManager): void {
  for (let attempt = 0; !cgroups.tryRemove(); attempt++) {
    expect(attempt, "attempts to remove the cgroup").to.be.below(100);
    sleep(10);
  }
}
