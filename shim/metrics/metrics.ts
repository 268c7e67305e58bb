/** A container's statistics in the form that containerd hands to `ctr task metrics`, dockerd and CRI. */
import { fail } from "../../runtime/base/errors.ts";
import type { CgroupManager } from "../../runtime/cgroups/manager.ts";
import { encodeMetrics as encodeV1 } from "../../schemas/generated/proto/cgroups-v1.ts";
import { encodeMetrics as encodeV2 } from "../../schemas/generated/proto/cgroups-v2.ts";
import { metricsV1 } from "./v1.ts";
import { metricsV2 } from "./v2.ts";

/** What goes into a google.protobuf.Any. */
export interface EncodedMetrics {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/**
 * io.containerd.cgroups.v1.Metrics on v1 and hybrid hosts, v2.Metrics on unified ones. A container that has ended has
 * numbers until it is deleted. What the host does not count is zero.
 * @throws NotFound when the cgroup is gone.
 */
export function encodeMetrics(manager: CgroupManager): EncodedMetrics {
  const { mode, paths } = manager;
  const metrics: EncodedMetrics =
    mode === "v1"
      ? { typeUrl: "io.containerd.cgroups.v1.Metrics", value: encodeV1(metricsV1(paths)) }
      : {
          typeUrl: "io.containerd.cgroups.v2.Metrics",
          value: encodeV2(metricsV2(paths[""] ?? "")),
        };
  // asked afterwards: zeros because of a removal in between are no numbers
  if (!manager.exists()) throw fail("NotFound", "cgroup does not exist");
  return metrics;
}
