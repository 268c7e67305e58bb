/** Owns the ids that an ordinary user may map into a container: its own as root, its subordinate ids above (subuid(5)). */
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";

export interface IdMapping {
  containerID: number;
  hostID: number;
  size: number;
}

function mapping(own: number, file: string): IdMapping[] {
  const mappings = [{ containerID: 0, hostID: own, size: 1 }];
  const { username, uid } = userInfo();
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const [owner, first, size] = line.split(":");
    if (owner !== username && owner !== String(uid)) continue;
    mappings.push({ containerID: 1, hostID: Number(first), size: Number(size) });
    break;
  }
  return mappings;
}

/** The members of `linux` for a user namespace of the calling user. */
export function ownMappings(): { uidMappings: IdMapping[]; gidMappings: IdMapping[] } {
  const { uid, gid } = userInfo();
  return { uidMappings: mapping(uid, "/etc/subuid"), gidMappings: mapping(gid, "/etc/subgid") };
}
