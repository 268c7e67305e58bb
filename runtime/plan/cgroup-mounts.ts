/** The `cgroup` mount type, which is one file system on v2 and a directory of many on v1. */
import { MOUNT_ATTR } from "../spec/mount-flags.ts";
import type { MountOptions } from "../spec/mount-options.ts";
import { addAttribute } from "./mount-attributes.ts";
import { type PlanBuilder, takeSlot } from "./plan.ts";

/** One v1 hierarchy as the container is to see it. */
export interface CgroupHierarchyFacts {
  /** Directory name below the mount: `cpu,cpuacct`. */
  readonly name: string;
  /** `cpu`, `cpuacct`, or one `name=systemd`. */
  readonly controllers: readonly string[];
  /** The container's own cgroup on the host. */
  readonly path: string;
}

export interface CgroupMountFacts {
  readonly mode: "v1" | "v2";
  /** v2: the container's own cgroup where the file system cannot be mounted, else none. */
  readonly hierarchies: readonly CgroupHierarchyFacts[];
  /** The container has a cgroup namespace of its own, whose root is its cgroup. */
  readonly namespaced: boolean;
}

export function addCgroupMount(
  builder: PlanBuilder,
  destination: string,
  options: MountOptions,
  facts: CgroupMountFacts,
): void {
  if (facts.mode === "v2") addUnified(builder, destination, options, facts.hierarchies[0]);
  else addHierarchies(builder, destination, options, facts);
}

function addUnified(
  builder: PlanBuilder,
  destination: string,
  options: MountOptions,
  bound: CgroupHierarchyFacts | undefined,
): void {
  const slot = takeSlot(builder, `mount cgroup2 on ${destination}`);
  if (bound === undefined) addDetached(builder, slot, "cgroup2", options.data, options.set);
  else addOwnCgroup(builder, slot, bound.path, options);
  addAttach(builder, slot, destination);
}

/** A tmpfs that holds a directory for each hierarchy and a link for each controller of a joint one. */
function addHierarchies(
  builder: PlanBuilder,
  destination: string,
  options: MountOptions,
  facts: CgroupMountFacts,
): void {
  const top = takeSlot(builder, `mount tmpfs on ${destination}`);
  const readonly = options.set & MOUNT_ATTR.RDONLY;
  addDetached(builder, top, "tmpfs", ["mode=755"], options.set & ~readonly);
  addAttach(builder, top, destination);
  for (const { name, controllers, path } of facts.hierarchies) {
    const target = `${destination}/${name}`;
    const slot = takeSlot(builder, `mount cgroup ${name} on ${target}`);
    if (facts.namespaced) {
      addDetached(
        builder,
        slot,
        "cgroup",
        [...controllers, ...namedOptions(controllers)],
        options.set,
      );
    } else {
      addOwnCgroup(builder, slot, path, options);
    }
    addAttach(builder, slot, target);
    if (controllers.length < 2) continue;
    for (const controller of controllers) {
      if (controller === name) continue;
      builder.ops.push({
        op: "makeSymlink",
        path: `${destination}/${controller}`,
        target: name,
        replace: 0,
      });
    }
  }
  if (readonly !== 0n) addAttribute(builder, top, MOUNT_ATTR.RDONLY, 0n, false);
}

/** Without a namespace only the container's own cgroup is shown (CVE-2023-25809). */
function addOwnCgroup(
  builder: PlanBuilder,
  slot: number,
  path: string,
  options: MountOptions,
): void {
  builder.ops.push({ op: "openTree", slot, path, recursive: 0 });
  addAttribute(builder, slot, options.set, options.clear, false);
}

/** A hierarchy without controllers has to say so. */
function namedOptions(controllers: readonly string[]): string[] {
  return controllers.some((controller) => controller.startsWith("name=")) ? ["none"] : [];
}

function addDetached(
  builder: PlanBuilder,
  slot: number,
  fstype: string,
  options: readonly string[],
  attributes: bigint,
): void {
  builder.ops.push({ op: "openDetached", slot, fstype, source: "cgroup", options, attributes });
}

function addAttach(builder: PlanBuilder, slot: number, target: string): void {
  builder.ops.push({
    op: "attach",
    slot,
    target,
    strict: 0,
    copyUp: 0,
    mode: 0o755,
    coveredMode: 0,
  });
}
