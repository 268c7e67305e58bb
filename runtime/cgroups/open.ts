/** Chooses the cgroup manager for a new container, and rebuilds that of an existing one from its state. */
import { fail } from "../base/errors.ts";
import type { NativeBinding } from "../native/binding.ts";
import type { CgroupManager, CgroupMode, CgroupPaths } from "./manager.ts";

export interface OpenCgroups {
  readonly id: string;
  /** `linux.cgroupsPath`. */
  readonly cgroupsPath?: string;
  /** --systemd-cgroup. */
  readonly systemd: boolean;
  /** Permission errors are then no failure as long as nothing was asked for. */
  readonly rootless: boolean;
  /** v2: host uid that becomes the owner of the cgroup (container root with its own, writable cgroup namespace). */
  readonly owner?: number;
  readonly native: () => NativeBinding;
}

/** Decides where the container's cgroups are to be; makes nothing yet. */
export function openCgroups(_options: OpenCgroups): CgroupManager {
  throw fail("Unimplemented", "cgroups are not built yet");
}

/** The manager of an existing container, from what its state file recorded; does not look at the host. */
export function cgroupsFromPaths(
  _mode: CgroupMode,
  _paths: CgroupPaths,
  _native: () => NativeBinding,
): CgroupManager {
  throw fail("Unimplemented", "cgroups are not built yet");
}
