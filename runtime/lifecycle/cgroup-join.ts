/** The fds through which a new process gets into the container's cgroups. */
import type { CgroupManager, JoinPlace } from "../cgroups/manager.ts";
import type { OwnFd } from "./fds.ts";

export interface CgroupJoin {
  /** v1: `tasks` files, for the plan. */
  readonly files: readonly { readonly fd: number; readonly path: string }[];
  /** v2: for CLONE_INTO_CGROUP, or -1. Never init's: through it a container could reach the host (CVE-2016-9962). */
  readonly directory: number;
}

export function openCgroupJoin(
  cgroups: CgroupManager | undefined,
  own: OwnFd,
  place?: JoinPlace,
): CgroupJoin {
  if (cgroups === undefined) return { files: [], directory: -1 };
  const files = cgroups.joinFds(place).map((fd) => ({ fd: own(fd), path: "of the container" }));
  return { files, directory: own(cgroups.joinDirFd(place)) };
}
