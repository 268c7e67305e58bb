/** Intel RDT in a container's life; the code is loaded only for containers that use it. */
import type { Spec } from "../../schemas/generated/config.ts";
import type { RdtGroup } from "../cgroups/intel-rdt.ts";

const load = () => import("../cgroups/intel-rdt.ts");

/** The groups that the config asks for, not made yet. Throws when this host cannot have them. */
export async function planRdt(spec: Spec, id: string): Promise<RdtGroup | undefined> {
  const config = spec.linux?.intelRdt ?? {};
  return Object.keys(config).length === 0 ? undefined : (await load()).rdtGroup(config, id);
}

export async function makeRdt(group: RdtGroup | undefined, spec: Spec): Promise<void> {
  if (group !== undefined) (await load()).makeRdtGroup(group, spec.linux?.intelRdt ?? {});
}

/** Children follow by themselves; what is started from outside has to be moved. */
export async function joinRdt(group: RdtGroup | undefined, pid: number): Promise<void> {
  if (group !== undefined) (await load()).joinRdtGroup(group, pid);
}

export async function removeRdt(group: RdtGroup | undefined): Promise<void> {
  if (group !== undefined) (await load()).removeRdtGroup(group);
}
