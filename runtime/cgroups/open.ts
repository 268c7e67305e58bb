/**
 * Chooses the cgroup manager for a new container, and rebuilds that of an existing one from its
 * state.
 */
import { existsSync } from "node:fs";
import { fail } from "../base/errors.ts";
import { type CgroupHost, cgroupHost } from "../host/cgroup-mode.ts";
import type { NativeBinding } from "../native/binding.ts";
import type { CgroupManager, CgroupMode, CgroupPaths } from "./manager.ts";
import { placeContainer } from "./place.ts";
import { V1Manager } from "./v1-manager.ts";
import { V2Manager } from "./v2-manager.ts";

export interface OpenCgroups {
  readonly id: string;
  /** `linux.cgroupsPath`. */
  readonly cgroupsPath?: string | undefined;
  /** --systemd-cgroup. */
  readonly systemd: boolean;
  /** Permission errors are then no failure as long as nothing was asked for. */
  readonly rootless: boolean;
  /**
   * v2: host uid that becomes the owner of the cgroup (container root with its own, writable cgroup
   * namespace).
   */
  readonly owner?: number | undefined;
  readonly native: () => NativeBinding;
  /** Layout to use instead of this host's. */
  readonly host?: CgroupHost;
}

/**
 * Decides where the container's cgroups are to be; makes nothing yet. Throws Unimplemented for the
 * systemd driver, InvalidArgument for an impossible cgroupsPath, FailedPrecondition when no cgroup
 * file system is mounted.
 */
export function openCgroups(options: OpenCgroups): CgroupManager {
  if (options.systemd) throw systemdError();
  const { id, cgroupsPath, rootless, native, owner } = options;
  const host = options.host ?? cgroupHost();
  const place = placeContainer({ id, cgroupsPath, host });
  const common = { native, rootless, explicitPath: Boolean(cgroupsPath) };
  if (place.unifiedRoot === undefined) return new V1Manager(place.paths, common);
  return new V2Manager(place.paths, {
    ...common,
    root: place.unifiedRoot,
    ...(owner === undefined ? {} : { owner }),
  });
}

/**
 * The manager of an existing container, from what its state file recorded; does not look at the
 * host.
 */
export function cgroupsFromPaths(
  mode: CgroupMode,
  paths: CgroupPaths,
  native: () => NativeBinding,
): CgroupManager {
  const options = { native, rootless: false, explicitPath: true };
  return mode === "v2"
    ? new V2Manager(paths, { ...options, root: "/sys/fs/cgroup" })
    : new V1Manager(paths, options);
}

function systemdError(): Error {
  // sd_booted(3).
  if (!existsSync("/run/systemd/system")) {
    return fail(
      "Unimplemented",
      "systemd not running on this host, cannot use systemd cgroups manager",
      { hint: "leave --systemd-cgroup out" },
    );
  }
  return fail("Unimplemented", "the systemd cgroups manager is not part of this version", {
    hint: "leave --systemd-cgroup out and configure the caller for the cgroupfs driver",
  });
}
