/** Writes the id mappings of a new user namespace (user_namespaces(7)). */
import { closeSync, writeFileSync } from "node:fs";
import type { IdMapping, Linux } from "../../schemas/generated/config.ts";
import { errnoOf, fail, wrap } from "../base/errors.ts";
import { mapLines } from "../plan/id-mapped-mounts.ts";
import type { Runtime } from "./context.ts";

type Kind = "uid" | "gid";

/**
 * Maps the ids of a process whose user namespace was just made. A privileged caller writes the maps; another one
 * may map its own id, and needs newuidmap and newgidmap (shadow's subid(5)) for more.
 */
export async function writeIdMaps(rt: Runtime, pid: number, linux: Linux): Promise<void> {
  const uids = linux.uidMappings ?? [];
  const gids = linux.gidMappings ?? [];
  if (deniesSetGroups(linux)) writeProcFile(pid, "setgroups", "deny");
  await writeMap(rt, pid, "uid", uids);
  await writeMap(rt, pid, "gid", gids);
}

/** An unprivileged caller that maps only its own group has to give up setgroups (CVE-2014-8989). */
export function deniesSetGroups({ gidMappings = [] }: Linux): boolean {
  const [first] = gidMappings;
  return process.geteuid?.() !== 0 && gidMappings.length === 1 && first?.size === 1;
}

async function writeMap(
  rt: Runtime,
  pid: number,
  kind: Kind,
  mappings: readonly IdMapping[],
): Promise<void> {
  try {
    writeProcFile(pid, `${kind}_map`, mapLines(mappings));
  } catch (error) {
    if (errnoOf(error) !== "EPERM" || process.geteuid?.() === 0) throw error;
    await runMapper(rt, pid, kind, mappings);
  }
}

function writeProcFile(pid: number, name: string, text: string): void {
  try {
    writeFileSync(`/proc/${pid}/${name}`, text);
  } catch (error) {
    throw wrap(error, { op: "write", path: `/proc/${pid}/${name}` });
  }
}

async function runMapper(
  rt: Runtime,
  pid: number,
  kind: Kind,
  mappings: readonly IdMapping[],
): Promise<void> {
  const native = rt.native();
  const program = `/usr/bin/new${kind}map`;
  const ids = mappings.flatMap((m) => [m.containerID, m.hostID, m.size]);
  const child = native.spawn({
    file: program,
    argv: [program, ...[pid, ...ids].map(String)],
    env: [],
    stdio: [-1, -1, 2],
    keepFds: [],
    cloneFlags: 0,
    cgroupFd: -1,
  });
  try {
    await rt.waiter.wait([child.pidfd], -1);
  } finally {
    closeSync(child.pidfd);
  }
  const status = native.waitPid(child.pid, false);
  if (status !== 0) {
    throw fail("PermissionDenied", `${program}: exit status ${status}`, {
      hint: `does /etc/sub${kind} grant these ids to this user?`,
    });
  }
}
