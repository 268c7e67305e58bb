/** /dev: default nodes, configured nodes, links and the terminal multiplexer. */
import type { Device } from "../../schemas/generated/config.ts";
import { absolutePath } from "../base/paths.ts";
import { defaultDevices, deviceMode, deviceNumber } from "../spec/devices.ts";
import { type PlanBuilder, takeSlot } from "./plan.ts";

/** A node to make, or, where mknod is not allowed, to bind from the host. */
export interface PreparedDevice {
  readonly device: Device;
  readonly path: string;
  /** Slot of the host's node, or -1 for mknod. */
  readonly slot: number;
}

const links: readonly (readonly [path: string, target: string])[] = [
  ["/dev/fd", "/proc/self/fd"],
  ["/dev/stdin", "/proc/self/fd/0"],
  ["/dev/stdout", "/proc/self/fd/1"],
  ["/dev/stderr", "/proc/self/fd/2"],
];

/** The default devices and those of the config; a configured one replaces the default of the same path. */
export function prepareDevices(
  builder: PlanBuilder,
  devices: readonly Device[],
  bind: boolean,
): PreparedDevice[] {
  const byPath = new Map<string, Device>();
  for (const device of [...defaultDevices(), ...devices])
    byPath.set(absolutePath(device.path, "/"), device);
  return [...byPath].map(([path, device]) => {
    const isNode = bind && device.type !== "p";
    return { device, path, slot: isNode ? takeSlot(builder, `bind device ${path}`) : -1 };
  });
}

/** In a user namespace mknod is refused: the host's nodes are opened before it is made. */
export function openDevices(builder: PlanBuilder, devices: readonly PreparedDevice[]): void {
  for (const { path, slot } of devices) {
    if (slot >= 0) builder.ops.push({ op: "openTree", slot, path, recursive: 0 });
  }
}

export function addDevices(builder: PlanBuilder, devices: readonly PreparedDevice[]): void {
  for (const { device, path, slot } of devices) {
    if (slot >= 0) {
      builder.ops.push({ op: "attachDevice", slot, path });
      continue;
    }
    builder.ops.push({
      op: "makeDevice",
      path,
      mode: deviceMode(device),
      device: deviceNumber(device),
      uid: device.uid ?? 0,
      gid: device.gid ?? 0,
      // the runtime itself may be inside a user namespace, as its root, or lack CAP_MKNOD
      orBind: device.type === "p" ? 0 : 1,
    });
  }
}

/** The links that programs expect in /dev; ptmx always leads to the container's own devpts. */
export function addDeviceLinks(builder: PlanBuilder, hasKcore: boolean): void {
  const all = hasKcore ? [...links, ["/dev/core", "/proc/kcore"] as const] : links;
  for (const [path, target] of all) {
    builder.ops.push({ op: "makeSymlink", path, target, replace: 0 });
  }
  builder.ops.push({ op: "makeSymlink", path: "/dev/ptmx", target: "pts/ptmx", replace: 1 });
}
