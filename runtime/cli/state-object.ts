/** The state of a container as JSON shows it: runc's keys in runc's order. */
import type { ContainerState } from "../lifecycle/state.ts";

/** A copy with the keys in order; annotations only when there are some. */
export function stateObject(state: ContainerState): ContainerState {
  const { ociVersion, id, pid, status, bundle, rootfs, created, annotations, owner } = state;
  const some = annotations !== undefined && Object.keys(annotations).length > 0;
  return {
    ociVersion,
    id,
    pid,
    status,
    bundle,
    rootfs,
    created,
    ...(some ? { annotations } : {}),
    owner,
  };
}
