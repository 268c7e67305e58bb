/** Capability names and their bits: include/uapi/linux/capability.h. */

/** Ordered by number, from CAP_CHOWN = 0. */
const names: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
];

/** A set of capabilities as the kernel has it, and the names that mean nothing to us. */
export interface CapabilitySet {
  /** Bit n is capability n. */
  readonly mask: bigint;
  /** To be ignored with a warning, as the specification asks. */
  readonly unknown: readonly string[];
}

/** Every name, ordered by number; for `features`. */
export function capabilityNames(): readonly string[] {
  return names;
}

/** The set that a list of names stands for. */
export function capabilityMask(list: readonly string[]): CapabilitySet {
  const unknown: string[] = [];
  // Two 32-bit halves: bigint arithmetic for each name would cost more than all else here.
  let low = 0;
  let high = 0;
  for (const name of list) {
    const number = names.indexOf(name);
    if (number < 0) unknown.push(name);
    else if (number < 32) low |= 1 << number;
    else high |= 1 << (number - 32);
  }
  return { mask: (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0), unknown };
}
