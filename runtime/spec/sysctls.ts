/** sysctl names: their two spellings, and which namespace each belongs to. */
import type { NamespaceType } from "../../schemas/generated/config.ts";

/** Settings of the ipc namespace besides fs.mqueue (namespaces(7)). */
const ipcNames: readonly string[] = [
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
];

/**
 * The spelling with dots. As in sysctl(8), the first separator decides: after a slash, dots belong to names
 * (`net/ipv4/conf/eth0.1/forwarding` -> `net.ipv4.conf.eth0/1.forwarding`).
 */
export function dottedSysctl(name: string): string {
  const dot = name.indexOf(".");
  const slash = name.indexOf("/");
  if (slash < 0 || (dot >= 0 && dot < slash)) return name;
  const parts = name.split("/").map((part) => part.replaceAll(".", "/"));
  return parts.join(".");
}

/** The file below /proc/sys. */
export function sysctlPath(name: string): string {
  const parts = dottedSysctl(name).split(".");
  return parts.map((part) => part.replaceAll("/", ".")).join("/");
}

/** Can this name leave /proc/sys or name no file? */
export function isMalformedSysctl(name: string): boolean {
  const parts = sysctlPath(name).split("/");
  return parts.includes("") || parts.includes(".") || parts.includes("..");
}

/** Why a sysctl may not be set in a container with these namespaces, in runc's words; undefined when it may. */
export function sysctlProblem(
  name: string,
  has: (type: NamespaceType) => boolean,
): string | undefined {
  const dotted = dottedSysctl(name);
  if (ipcNames.includes(dotted) || dotted.startsWith("fs.mqueue.")) {
    return has("ipc") ? undefined : `sysctl "${dotted}" is not allowed in the hosts ipc namespace`;
  }
  if (dotted.startsWith("net.")) {
    return has("network") ? undefined : `sysctl "${dotted}" not allowed in host network namespace`;
  }
  if (dotted.startsWith("user.")) {
    return has("user") ? undefined : `sysctl "${dotted}" not allowed in the host user namespace`;
  }
  if (has("uts") && dotted === "kernel.domainname") return undefined;
  if (has("uts") && dotted === "kernel.hostname") {
    return `sysctl "${dotted}" is not allowed as it conflicts with the OCI "hostname" field`;
  }
  return `sysctl "${dotted}" is not in a separate kernel namespace`;
}
