/**
 * Which cgroup hierarchies this host has, where they are mounted, and where the calling process is
 * in each.
 */
import { readFileSync, statfsSync } from "node:fs";
import { fail, wrap } from "../base/errors.ts";
import { decodeOctal } from "./mounts.ts";

/** One mounted hierarchy. */
export interface Hierarchy {
  /**
   * v1: controllers that share it, or one named hierarchy (`name=systemd`). v2: the single entry
   * `""`.
   */
  readonly controllers: readonly string[];
  readonly mountPoint: string;
  /**
   * The caller's cgroup as /proc/self/cgroup spells it: relative to the root of its cgroup
   * namespace.
   */
  readonly ownPath: string;
}

/**
 * `hybrid`: controllers are on v1, and a unified hierarchy without (most) controllers is mounted
 * beside them.
 */
export interface CgroupHost {
  readonly mode: "v1" | "hybrid" | "v2";
  readonly hierarchies: readonly Hierarchy[];
}

/** A cgroup line of mountinfo. */
export interface CgroupMount {
  readonly version: 1 | 2;
  /**
   * Which cgroup of the hierarchy is the root of the mount; not "/" in a container without cgroup
   * namespace.
   */
  readonly root: string;
  readonly mountPoint: string;
  /** Super block options; hold the controllers on v1. */
  readonly options: readonly string[];
}

/** A line of /proc/PID/cgroup. */
export interface CgroupMembership {
  readonly controllers: readonly string[];
  readonly path: string;
}

// statfs(2) f_type.
const cgroup1Magic = 0x27e0eb;
const cgroup2Magic = 0x63677270;
const defaultRoot = "/sys/fs/cgroup";
const unifiedBesideV1 = "/sys/fs/cgroup/unified";

/** The last answer; it holds as long as /proc/self/cgroup says the same. */
let known: { readonly memberships: string; readonly host: CgroupHost } | undefined;

/**
 * Reads the cgroup layout of the host. The usual mount points are asked with statfs first, since
 * formatting mountinfo costs the kernel milliseconds on a host with hundreds of containers. Throws
 * FailedPrecondition when no cgroup file system is mounted.
 */
export function cgroupHost(): CgroupHost {
  const text = readProc("/proc/self/cgroup");
  if (known?.memberships === text) return known.host;
  const memberships = parseMemberships(text);
  const host = layoutAtDefaults(memberships) ?? layoutFromMounts(memberships, readCgroupMounts());
  if (host.hierarchies.length > 0) {
    known = { memberships: text, host };
    return host;
  }
  throw fail("FailedPrecondition", "no cgroup file system is mounted", {
    hint: `mount cgroup2 on ${defaultRoot}`,
  });
}

/** The layout when everything is mounted where systemd and everybody else mounts it. */
function layoutAtDefaults(memberships: readonly CgroupMembership[]): CgroupHost | undefined {
  if (fileSystemType(defaultRoot) === cgroup2Magic) {
    const own = memberships.find((m) => m.controllers[0] === "");
    if (own === undefined) return undefined;
    const unified = { controllers: [""], mountPoint: defaultRoot, ownPath: own.path };
    return { mode: "v2", hierarchies: [unified] };
  }
  const hierarchies: Hierarchy[] = [];
  let mode: "v1" | "hybrid" = "v1";
  for (const { controllers, path } of memberships) {
    const unified = controllers[0] === "";
    const mountPoint = unified ? unifiedBesideV1 : `${defaultRoot}/${mountName(controllers)}`;
    if (fileSystemType(mountPoint) !== (unified ? cgroup2Magic : cgroup1Magic)) {
      // A unified hierarchy always appears in /proc/self/cgroup, mounted or not.
      if (unified) continue;
      return undefined;
    }
    if (unified) mode = "hybrid";
    hierarchies.push({ controllers, mountPoint, ownPath: path });
  }
  return hierarchies.length === 0 ? undefined : { mode, hierarchies };
}

/** The layout from mountinfo. A host is v2 when no v1 controller is mounted. */
export function layoutFromMounts(
  memberships: readonly CgroupMembership[],
  mounts: readonly CgroupMount[],
): CgroupHost {
  const hierarchies: Hierarchy[] = [];
  let hasV1 = false;
  let hasV2 = false;
  for (const { controllers, path } of memberships) {
    const first = controllers[0] ?? "";
    const mount = mounts.find((m) =>
      first === "" ? m.version === 2 : m.version === 1 && m.options.includes(first),
    );
    if (mount === undefined) continue;
    if (first === "") hasV2 = true;
    else if (!first.startsWith("name=")) hasV1 = true;
    hierarchies.push({ controllers, mountPoint: mount.mountPoint, ownPath: path });
  }
  if (hasV2 && !hasV1) {
    return { mode: "v2", hierarchies: hierarchies.filter((h) => h.controllers[0] === "") };
  }
  return { mode: hasV2 ? "hybrid" : "v1", hierarchies };
}

/**
 * The directory of the caller's own cgroup in a hierarchy. /proc/self/cgroup counts from the root
 * of the cgroup namespace while a mount may show a sub-tree only (a container that got the host's
 * cgroupfs by bind mount).
 */
export function ownDirectory(
  hierarchy: Hierarchy,
  mounts: () => readonly CgroupMount[] = readCgroupMounts,
): string {
  const { ownPath, mountPoint } = hierarchy;
  // "/../x": the process is outside its cgroup namespace; nothing of the path can be seen from
  // here.
  if (ownPath === "/" || ownPath.startsWith("/..")) return mountPoint;
  const root = mounts().find((m) => m.mountPoint === mountPoint)?.root ?? "/";
  if (root === "/") return mountPoint + ownPath;
  if (ownPath === root || !ownPath.startsWith(`${root}/`)) return mountPoint;
  return mountPoint + ownPath.slice(root.length);
}

/** Parses /proc/PID/cgroup: `hierarchy-id:controller,controller:path` (cgroups(7)). */
export function parseMemberships(text: string): CgroupMembership[] {
  const memberships: CgroupMembership[] = [];
  for (const line of text.split("\n")) {
    const first = line.indexOf(":");
    const second = line.indexOf(":", first + 1);
    if (second < 0) continue;
    const controllers = line.slice(first + 1, second).split(",");
    memberships.push({ controllers, path: line.slice(second + 1) });
  }
  return memberships;
}

/** The cgroups of a process. Throws NotFound when it does not exist. */
export function membershipsOf(pid: number): CgroupMembership[] {
  return parseMemberships(readProc(`/proc/${pid}/cgroup`));
}

/**
 * Parses the cgroup lines of mountinfo (proc_pid_mountinfo(5)); skips all others without splitting
 * them.
 */
export function parseCgroupMounts(mountinfo: string): CgroupMount[] {
  const separator = " - cgroup";
  const mounts: CgroupMount[] = [];
  for (
    let at = mountinfo.indexOf(separator);
    at >= 0;
    at = mountinfo.indexOf(separator, at + separator.length)
  ) {
    const start = mountinfo.lastIndexOf("\n", at) + 1;
    const newline = mountinfo.indexOf("\n", at);
    const end = newline < 0 ? mountinfo.length : newline;
    const before = mountinfo.slice(start, at).split(" ");
    const [type, , options] = mountinfo.slice(at + 3, end).split(" ");
    const [root, mountPoint] = [before[3], before[4]];
    if (root === undefined || mountPoint === undefined) continue;
    if (type !== "cgroup" && type !== "cgroup2") continue;
    mounts.push({
      version: type === "cgroup" ? 1 : 2,
      root: decodeOctal(root),
      mountPoint: decodeOctal(mountPoint),
      options: (options ?? "").split(","),
    });
  }
  return mounts;
}

function readCgroupMounts(): CgroupMount[] {
  return parseCgroupMounts(readProc("/proc/self/mountinfo"));
}

/** `cpu,cpuacct` for co-mounted controllers, `systemd` for `name=systemd`. */
function mountName(controllers: readonly string[]): string {
  const name = controllers.join(",");
  return name.startsWith("name=") ? name.slice(5) : name;
}

function fileSystemType(path: string): number {
  try {
    return statfsSync(path).type;
  } catch {
    return 0;
  }
}

function readProc(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw wrap(error, { op: "read", path });
  }
}
