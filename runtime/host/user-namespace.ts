/** What user namespace a process is in, where root is not the host's root. */
import { existsSync, readFileSync } from "node:fs";
import { wrap } from "../base/errors.ts";

/**
 * Is this process in a user namespace other than the host's? False too where the kernel has no user namespaces (user_namespaces(7): the first one
 * maps all ids to themselves).
 */
export function inUserNamespace(): boolean {
  try {
    const fields = readFileSync("/proc/self/uid_map", "utf8").trim().split(/\s+/);
    return fields.join(" ") !== "0 0 4294967295";
  } catch {
    return false;
  }
}

/** Is setgroups(2) denied in a process's user namespace, as it is where a user mapped only the own group (CVE-2014-8989)? */
export function lacksSetGroups(pid: number | "self"): boolean {
  const path = `/proc/${pid}/setgroups`;
  try {
    return existsSync(path) && readFileSync(path, "latin1").startsWith("deny");
  } catch (error) {
    throw wrap(error, { op: "read", path });
  }
}
