/** Namespace types: their clone flags and their names below /proc/PID/ns. */
import type { NamespaceType } from "../../schemas/generated/config.ts";

/** CLONE_NEW* (include/uapi/linux/sched.h) and the file below /proc/PID/ns. */
const table: Readonly<Record<NamespaceType, readonly [flag: number, file: string]>> = {
  time: [0x00000080, "time"],
  mount: [0x00020000, "mnt"],
  cgroup: [0x02000000, "cgroup"],
  uts: [0x04000000, "uts"],
  ipc: [0x08000000, "ipc"],
  user: [0x10000000, "user"],
  pid: [0x20000000, "pid"],
  network: [0x40000000, "net"],
};

/** Every type, sorted; for `features`. */
export function namespaceTypes(): NamespaceType[] {
  return (Object.keys(table) as NamespaceType[]).sort();
}

/** `network` -> CLONE_NEWNET. */
export function namespaceFlag(type: NamespaceType): number {
  return table[type][0];
}

/** `network` -> `net`, the file below /proc/PID/ns. */
export function namespaceFile(type: NamespaceType): string {
  return table[type][1];
}
