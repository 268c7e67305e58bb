/** The option ShimCgroup: a cgroup, made by others, for the daemon. */
import { errnoOf, fail } from "../../runtime/base/errors.ts";
import { absolutePath } from "../../runtime/base/paths.ts";
import { writeKernelFile } from "../../runtime/cgroups/kernel-files.ts";
import { cgroupHost } from "../../runtime/host/cgroup-mode.ts";

/**
 * Moves a process to the cgroup `path`, from the root: on v1 in all hierarchies that have it.
 * @throws NotFound when none has it, or what the kernel says.
 */
export function joinShimCgroup(path: string, pid: number): void {
  const below = absolutePath(path, "/");
  const joined = cgroupHost().hierarchies.filter(({ mountPoint }) => {
    try {
      writeKernelFile(`${mountPoint}${below}/cgroup.procs`, String(pid));
      return true;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return false;
      throw error;
    }
  });
  if (joined.length === 0) {
    throw fail("NotFound", `no cgroup ${path}`, { hint: "the runtime option ShimCgroup names it" });
  }
}
