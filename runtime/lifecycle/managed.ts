/** A container with the manager of its cgroups: for verbs that read or change more of them than whether they are frozen. */
import type { CgroupManager } from "../cgroups/manager.ts";
import { cgroupsFromPaths } from "../cgroups/open.ts";
import type { Runtime } from "./context.ts";
import { type Container, openContainer } from "./status.ts";
import type { StateFile } from "./store.ts";

export interface ManagedContainer extends Container {
  /** Undefined when the container was created without cgroups. */
  readonly cgroups: CgroupManager | undefined;
}

/** openContainer, and what is needed to act on the cgroups. Throws as openContainer does. */
export function openManaged(rt: Runtime, id: string): ManagedContainer {
  const container = openContainer(rt, id);
  return { ...container, cgroups: managerOf(rt, container.state) };
}

export function managerOf(rt: Runtime, { cgroups }: StateFile): CgroupManager | undefined {
  return cgroups && cgroupsFromPaths(cgroups.mode, cgroups.paths, rt.native);
}
