/** Mount entries of the config as operations on detached trees. */
import type { Mount } from "../../schemas/generated/config.ts";
import { fail } from "../base/errors.ts";
import { absolutePath } from "../base/paths.ts";
import { MOUNT_ATTR, MS } from "../spec/mount-flags.ts";
import { type MountOptions, parseMountOptions } from "../spec/mount-options.ts";
import { addCgroupMount, type CgroupMountFacts } from "./cgroup-mounts.ts";
import { withHostView } from "./host-view.ts";
import { type ContainerMapping, newIdMapper } from "./id-mapped-mounts.ts";
import { contextOption } from "./labels.ts";
import { addAttribute, addPropagation } from "./mount-attributes.ts";
import type { NamespacePlan } from "./namespaces.ts";
import { type PlanBuilder, takeSlot } from "./plan.ts";

export interface MountsInput {
  readonly mounts: readonly Mount[];
  readonly namespaces: NamespacePlan;
  /** `linux.mountLabel`. */
  readonly label: string | undefined;
}

/** One mount, parsed and checked; what has to be opened outside is split from what happens inside. */
export interface PreparedMount {
  readonly mount: Mount;
  readonly destination: string;
  readonly options: MountOptions;
  /** `context=...` for a new file system, where SELinux labels are asked for. */
  readonly context: readonly string[];
  /** Slot of a bind source, opened by an OpenSource. */
  readonly slot: number;
}

const DIRECTORY_MODE = 0o755;

/** Below /proc only these may be covered; anything else could redirect our own writes (CVE-2019-16884). */
const procExceptions: readonly string[] = [
  "/proc/cpuinfo",
  "/proc/diskstats",
  "/proc/meminfo",
  "/proc/stat",
  "/proc/swaps",
  "/proc/uptime",
  "/proc/loadavg",
  "/proc/slabinfo",
  "/proc/sys/kernel/ns_last_pid",
  "/proc/sys/crypto/fips_enabled",
];

/** Parses and checks all entries. Throws InvalidArgument naming the entry. */
export function prepareMounts(builder: PlanBuilder, input: MountsInput): PreparedMount[] {
  return input.mounts.map((entry) => {
    const mount = withHostView(entry, input.namespaces);
    const destination = absolutePath(mount.destination, "/");
    const options = parseMountOptions(mount.options ?? []);
    checkDestination(mount, destination, options);
    const about = `mount ${options.bind ? (mount.source ?? "") : (mount.type ?? "")} on ${destination}`;
    const slot = isCgroup(mount, options) || options.remount ? -1 : takeSlot(builder, about);
    const context = options.bind ? [] : contextOption(mount.type ?? "", input.label);
    return { mount, destination, options, context, slot };
  });
}

/** Adds what opens the source of a bind mount, and nothing for other mounts. */
export type OpenSource = (mount: PreparedMount) => void;

/** With `detach`, trees opened in the host's mount namespace are made slaves: nothing may travel back. */
export function newSourceOpener(
  builder: PlanBuilder,
  bundle: string,
  mapping: ContainerMapping,
  detach: boolean,
): OpenSource {
  const mapper = newIdMapper(builder, mapping);
  return ({ mount, options, slot }) => {
    if (!options.bind || slot < 0) return;
    const source = mount.source ?? "";
    const path = source.startsWith("/") ? source : `${bundle}/${source}`;
    builder.ops.push({ op: "openTree", slot, path, recursive: options.recursive ? 1 : 0 });
    if (detach) addPropagation(builder, slot, MS.SLAVE | MS.REC);
    addAttributes(builder, slot, options);
    mapper.map(mount, options, slot);
  };
}

/**
 * Attaches everything inside the root, in the config's order. Bind sources that are not open yet are opened one by one:
 * a source may lie in an earlier mount, and kernels from 6.8 on list mounts in the order in which they were made.
 */
export function addMounts(
  builder: PlanBuilder,
  mounts: readonly PreparedMount[],
  cgroups: CgroupMountFacts,
  openSource: OpenSource | undefined,
): void {
  for (const prepared of mounts) {
    const { mount, destination, options, slot } = prepared;
    if (options.remount) {
      addRemount(builder, prepared);
      continue;
    }
    if (isCgroup(mount, options)) {
      addCgroupMount(builder, destination, options, cgroups);
      continue;
    }
    if (options.bind) openSource?.(prepared);
    else addFileSystem(builder, prepared);
    builder.ops.push({
      op: "attach",
      slot,
      target: destination,
      strict: isStrict(mount, destination) ? 1 : 0,
      copyUp: options.copyUp ? 1 : 0,
      mode: DIRECTORY_MODE,
      coveredMode: mount.type === "tmpfs" && !hasMode(options) ? 1 : 0,
    });
    // a tmpfs gets its content or mode first
    if (!options.bind) addLateAttributes(builder, prepared);
    for (const flag of options.propagation) addPropagation(builder, slot, flag);
  }
}

/** What the options name is changed, all else stays: a remount never takes a nosuid back that nobody mentions. */
function addRemount(builder: PlanBuilder, { destination, options }: PreparedMount): void {
  builder.ops.push({
    op: "remount",
    target: destination,
    // a bind's file system is the host's: only the mount itself changes
    options: options.bind ? [] : [...options.superFlags, ...options.data],
    set: options.set,
    clear: options.clear,
    recursiveSet: options.recursiveSet,
    recursiveClear: options.recursiveClear,
  });
}

function addFileSystem(builder: PlanBuilder, prepared: PreparedMount): void {
  const { mount, options, context, slot } = prepared;
  const type = mount.type ?? "";
  builder.ops.push({
    op: "openDetached",
    slot,
    fstype: type,
    source: mount.source ?? type,
    options: [...options.superFlags, ...options.data, ...context],
    attributes: isLateReadonly(mount, options) ? options.set & ~MOUNT_ATTR.RDONLY : options.set,
  });
}

function addLateAttributes(builder: PlanBuilder, { mount, options, slot }: PreparedMount): void {
  if (isLateReadonly(mount, options)) addAttribute(builder, slot, MOUNT_ATTR.RDONLY, 0n, false);
  const { recursiveSet, recursiveClear } = options;
  if ((recursiveSet | recursiveClear) !== 0n) {
    addAttribute(builder, slot, recursiveSet, recursiveClear, true);
  }
}

function isLateReadonly(mount: Mount, options: MountOptions): boolean {
  return mount.type === "tmpfs" && (options.set & MOUNT_ATTR.RDONLY) !== 0n;
}

function addAttributes(builder: PlanBuilder, slot: number, options: MountOptions): void {
  if ((options.set | options.clear) !== 0n) {
    addAttribute(builder, slot, options.set, options.clear, false);
  }
  if ((options.recursiveSet | options.recursiveClear) !== 0n) {
    addAttribute(builder, slot, options.recursiveSet, options.recursiveClear, true);
  }
}

function checkDestination(mount: Mount, destination: string, options: MountOptions): void {
  if (destination === "/") {
    throw fail("InvalidArgument", `mount destination ${mount.destination} is the root itself`, {
      hint: "use root.path for the container's root",
    });
  }
  const inProc = destination.startsWith("/proc/") && !procExceptions.includes(destination);
  // lxcfs and others put files over the listed ones; a procfs may sit at /proc itself only
  if (inProc || (destination === "/proc" && mount.type !== "proc" && !options.bind)) {
    throw fail("InvalidArgument", `"${destination}" cannot be mounted because it is inside /proc`);
  }
  if (!options.bind && !options.remount && (mount.type ?? "") === "") {
    throw fail("InvalidArgument", `mount on ${destination} has neither a type nor the bind option`);
  }
}

/** /proc and /sys have to be real directories: a link could lead our own look-ups astray (CVE-2019-19921). */
function isStrict(mount: Mount, destination: string): boolean {
  return (
    mount.type === "proc" ||
    mount.type === "sysfs" ||
    destination === "/proc" ||
    destination === "/sys"
  );
}

function isCgroup(mount: Mount, options: MountOptions): boolean {
  return !options.bind && (mount.type === "cgroup" || mount.type === "cgroup2");
}

function hasMode(options: MountOptions): boolean {
  return options.data.some((option) => option.startsWith("mode="));
}
