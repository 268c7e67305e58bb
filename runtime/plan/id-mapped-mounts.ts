/** Id-mapped bind mounts: whose mapping a mount gets, and the user namespaces that carry mappings to the kernel. */
import type { IdMapping, Linux, Mount } from "../../schemas/generated/config.ts";
import type { MountOptions } from "../spec/mount-options.ts";
import { type PlanBuilder, takeSlot } from "./plan.ts";

/** Where a mount without mappings of its own takes them from. */
export interface ContainerMapping {
  readonly uidMappings: readonly IdMapping[];
  readonly gidMappings: readonly IdMapping[];
  /** The user namespace that the container joins, opened by the caller; -1 for none. */
  readonly joinedFd: number;
}

export function containerMapping(linux: Linux, joinedFd: number): ContainerMapping {
  const { uidMappings = [], gidMappings = [] } = linux;
  return { uidMappings, gidMappings, joinedFd };
}

/** Collects namespaces, so that mounts with equal mappings share one. */
export interface IdMapper {
  /** Maps the tree in `slot`, which is not attached yet, when the mount asks for it. */
  map(mount: Mount, options: MountOptions, slot: number): void;
}

export function newIdMapper(builder: PlanBuilder, container: ContainerMapping): IdMapper {
  const namespaces: Record<string, number> = {};
  return {
    map: (mount, options, slot) => {
      const own = (mount.uidMappings ?? []).length > 0;
      if (!own && options.idmap === "none") return;
      const recursive = options.idmap === "ridmap" ? 1 : 0;
      const { uidMappings = [], gidMappings = [] } = own ? mount : container;
      if (uidMappings.length === 0) {
        // the container joins its user namespace, and so does the mount
        builder.ops.push({
          op: "idMapMount",
          slot,
          namespaceSlot: 0,
          fd: container.joinedFd,
          recursive,
        });
        return;
      }
      const namespaceSlot = namespaceFor(builder, namespaces, uidMappings, gidMappings);
      builder.ops.push({ op: "idMapMount", slot, namespaceSlot, fd: -1, recursive });
    },
  };
}

function namespaceFor(
  builder: PlanBuilder,
  namespaces: Record<string, number>,
  uidMappings: readonly IdMapping[],
  gidMappings: readonly IdMapping[],
): number {
  const uidMap = mapLines(uidMappings);
  const gidMap = mapLines(gidMappings);
  const key = `${uidMap};${gidMap}`;
  const known = namespaces[key];
  if (known !== undefined) return known;
  const slot = takeSlot(builder, "make a user namespace for id-mapped mounts");
  builder.ops.push({ op: "openUserNamespace", slot, uidMap, gidMap });
  namespaces[key] = slot;
  return slot;
}

/**
 * Lines of uid_map (user_namespaces(7)). For a mount `containerID` is the id on disk and `hostID` the one that the host
 * sees behind the mount.
 */
export function mapLines(mappings: readonly IdMapping[]): string {
  return mappings.map((m) => `${m.containerID} ${m.hostID} ${m.size}`).join("\n");
}
