/** Reads a container's statistics, whatever the hierarchy's version; code that few commands need. */
import { fail } from "../base/errors.ts";
import type { CgroupManager } from "./manager.ts";
import type { CgroupStats } from "./stats.ts";
import { statsV1 } from "./stats-v1.ts";
import { statsV2 } from "./stats-v2.ts";

/** @throws FailedPrecondition for a container without a cgroup; files that are missing count as zeros. */
export function readStats({ mode, paths }: CgroupManager): CgroupStats {
  if (mode === "v1") return statsV1(paths);
  const directory = paths[""];
  if (directory === undefined) throw fail("FailedPrecondition", "container has no cgroup");
  return statsV2(directory);
}
