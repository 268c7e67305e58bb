/** Decides who owns a container's cgroup on the unified hierarchy. Pure. */
import type { Spec } from "../../schemas/generated/config.ts";

/**
 * The host uid that gets the container's v2 cgroup as its own: that of root inside, when it sees nothing but this cgroup and
 * may write there (runtime-spec config-linux.md, cgroup ownership).
 */
export function cgroupOwner(spec: Spec): number | undefined {
  const { namespaces, uidMappings } = spec.linux ?? {};
  const isOwn = (kind: string) => namespaces?.some(({ type, path }) => type === kind && !path);
  const mount = spec.mounts?.find(({ destination }) => destination === "/sys/fs/cgroup");
  const isWritable = mount !== undefined && !mount.options?.includes("ro");
  if (!isOwn("cgroup") || !isOwn("user") || !isWritable) return undefined;
  return uidMappings?.find(({ containerID }) => containerID === 0)?.hostID;
}
