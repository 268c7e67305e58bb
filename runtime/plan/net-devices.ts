/** The list of operations that moves network interfaces into a container. */
import type { Linux } from "../../schemas/generated/config.ts";
import { newPlanBuilder, type Plan, syncPoint } from "./plan.ts";

/** Pure. In: the config's devices, and the container's network namespace, opened. */
export function buildNetDevicePlan(devices: Linux["netDevices"] & object, fd: number): Plan {
  const { ops, slots } = newPlanBuilder();
  for (const [name, { name: newName }] of Object.entries(devices)) {
    ops.push({ op: "moveNetDevice", fd, name, newName: newName || name });
  }
  ops.push({ op: "sync", point: syncPoint.ready });
  return { ops, cloneFlags: 0, forks: false, slots };
}
