/**
 * Where a container's cgroups are: from cgroupsPath and the host's layout, and sub-cgroups of exec.
 * Pure.
 */
import { fail } from "../base/errors.ts";
import { absolutePath } from "../base/paths.ts";
import { type CgroupHost, type Hierarchy, ownDirectory } from "../host/cgroup-mode.ts";
import type { CgroupMode, CgroupPaths } from "./manager.ts";

/** The v1 hierarchies that a container joins. Other named ones belong to somebody else. */
const joined: readonly string[] = [
  "cpuset",
  "devices",
  "memory",
  "cpu",
  "cpuacct",
  "pids",
  "blkio",
  "hugetlb",
  "net_cls",
  "net_prio",
  "perf_event",
  "freezer",
  "rdma",
  "misc",
  "name=systemd",
  "",
];

/** What is needed to place a container; `own` gives the caller's directory in a hierarchy. */
export interface PlaceRequest {
  readonly id: string;
  readonly cgroupsPath: string | undefined;
  readonly host: CgroupHost;
  readonly own?: (hierarchy: Hierarchy) => string;
}

export interface Place {
  readonly mode: CgroupMode;
  readonly paths: CgroupPaths;
  /** Mount point of the v2 hierarchy the path is in; undefined on v1. */
  readonly unifiedRoot: string | undefined;
}

/**
 * Decides the container's cgroup directories. An absolute cgroupsPath counts from the mount point
 * of each hierarchy, a relative one (or, without any, the container's id) from the caller's own
 * cgroup; on v2 from the parent of the caller's cgroup, because a cgroup with processes cannot give
 * controllers to its children. `..` cannot lead out.
 */
export function placeContainer(request: PlaceRequest): Place {
  const { host } = request;
  const path = request.cgroupsPath ?? "";
  const absolute = path.startsWith("/");
  const inner = absolutePath(path === "" ? request.id : path, "/");
  if (inner === "/") {
    throw fail(
      "InvalidArgument",
      `cgroupsPath "${path}" is a root cgroup, not one of the container's own`,
    );
  }
  const own = request.own ?? ownDirectory;
  const mode: CgroupMode = host.mode === "v2" ? "v2" : "v1";
  const found: Record<string, string> = {};
  let unifiedRoot: string | undefined;
  for (const hierarchy of host.hierarchies) {
    const { mountPoint, controllers } = hierarchy;
    let base = mountPoint;
    if (!absolute) {
      base = own(hierarchy);
      if (mode === "v2" && base !== mountPoint) base = base.slice(0, base.lastIndexOf("/"));
    }
    if (controllers[0] === "") unifiedRoot = mountPoint;
    for (const controller of controllers) found[controller] = base + inner;
  }
  const paths: Record<string, string> = {};
  for (const controller of joined) {
    const directory = found[controller];
    if (directory !== undefined) paths[controller] = directory;
  }
  return { mode, paths, unifiedRoot: mode === "v2" ? unifiedRoot : undefined };
}

/**
 * The directories that an exec joins: those of the container with `--cgroup` arguments applied.
 * Throws InvalidArgument for a path that leads out, a controller that is unknown or given twice,
 * and a mix of both forms.
 */
export function placeExec(paths: CgroupPaths, subgroups: readonly string[]): CgroupPaths {
  if (subgroups.length === 0) return paths;
  const result: Record<string, string> = { ...paths };
  const given: Record<string, true> = {};
  for (const argument of subgroups) {
    const colon = argument.indexOf(":");
    if (colon < 0) {
      if (subgroups.length > 1) {
        throw fail("InvalidArgument", `--cgroup ${argument}: missing controller: prefix`);
      }
      for (const controller of Object.keys(paths)) {
        result[controller] = below(paths[controller] ?? "", argument);
      }
      return result;
    }
    for (const controller of argument.slice(0, colon).split(",")) {
      const base = paths[controller];
      if (controller === "" || base === undefined) {
        const what = controller === "" ? "empty controller" : `unknown controller ${controller}`;
        throw fail("InvalidArgument", `--cgroup ${argument}: ${what}`);
      }
      if (given[controller]) {
        throw fail("InvalidArgument", `--cgroup: controller ${controller} given more than once`);
      }
      given[controller] = true;
      result[controller] = below(base, argument.slice(colon + 1));
    }
  }
  return result;
}

function below(base: string, path: string): string {
  if (path.split("/").includes("..") || path.includes("\0")) {
    throw fail("InvalidArgument", `--cgroup ${path}: bad sub cgroup path`);
  }
  const inner = absolutePath(path, "/");
  return inner === "/" ? base : base + inner;
}
