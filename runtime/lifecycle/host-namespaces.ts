/** Finds namespaces of the config that are the caller's own after all, which no look at the config alone can tell. */
import { statSync } from "node:fs";
import type { Spec } from "../../schemas/generated/config.ts";
import { fail } from "../base/errors.ts";
import { dottedSysctl } from "../spec/sysctls.ts";

/**
 * A network namespace joined by path may be the host's: a sysctl would then be set for the whole machine. Throws
 * InvalidArgument with runc's text. A path that cannot be looked at is left to the join, which fails.
 */
export function checkNetSysctls(spec: Spec): void {
  const path = spec.linux?.namespaces?.find(({ type }) => type === "network")?.path;
  if (!path) return;
  const names = Object.keys(spec.linux?.sysctl ?? {}).map(dottedSysctl);
  const name = names.find((dotted) => dotted.startsWith("net."));
  if (name === undefined || !isOwnNamespace("net", path)) return;
  throw fail("InvalidArgument", `sysctl "${name}" not allowed in host network namespace`, { path });
}

/** Are both the same namespace? Identity is the pair of device and inode number (namespaces(7)). */
function isOwnNamespace(kind: string, path: string): boolean {
  try {
    const given = statSync(path);
    const own = statSync(`/proc/self/ns/${kind}`);
    return given.dev === own.dev && given.ino === own.ino;
  } catch {
    return false;
  }
}
