/** The data object of `events`, in the form that runc prints and containerd parses. */
import type { Int } from "./resources.ts";

/** Pressure stall information; averages in percent, total in microseconds (Documentation/accounting/psi.rst). */
export interface PsiLine {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  readonly total: Int;
}

export interface Psi {
  readonly some: PsiLine;
  readonly full: PsiLine;
}

export interface CpuStats {
  /** Nanoseconds. */
  readonly usage: {
    readonly total?: Int;
    readonly percpu?: readonly Int[];
    readonly percpu_kernel?: readonly Int[];
    readonly percpu_user?: readonly Int[];
    readonly kernel: Int;
    readonly user: Int;
  };
  readonly throttling: {
    readonly periods?: Int;
    readonly throttledPeriods?: Int;
    readonly throttledTime?: Int;
  };
  readonly psi?: Psi;
}

export interface CpusetStats {
  readonly cpus?: readonly number[];
  readonly cpu_exclusive: Int;
  readonly mems?: readonly number[];
  readonly mem_hardwall: Int;
  readonly mem_exclusive: Int;
  readonly memory_migrate: Int;
  readonly memory_spread_page: Int;
  readonly memory_spread_slab: Int;
  readonly memory_pressure: Int;
  readonly sched_load_balance: Int;
  readonly sched_relax_domain_level: Int;
}

/** Bytes. */
export interface MemoryEntry {
  readonly limit: Int;
  readonly usage?: Int;
  readonly max?: Int;
  readonly failcnt: Int;
}

export interface MemoryStats {
  readonly cache?: Int;
  readonly usage: MemoryEntry;
  readonly swap: MemoryEntry;
  readonly kernel: MemoryEntry;
  readonly kernelTCP: MemoryEntry;
  /** memory.stat. */
  readonly raw?: Readonly<Record<string, Int>>;
  readonly psi?: Psi;
}

export interface BlkioEntry {
  readonly major?: Int;
  readonly minor?: Int;
  readonly op?: string;
  readonly value?: Int;
}

export interface BlkioStats {
  readonly ioServiceBytesRecursive?: readonly BlkioEntry[];
  readonly ioServicedRecursive?: readonly BlkioEntry[];
  readonly ioQueueRecursive?: readonly BlkioEntry[];
  readonly ioServiceTimeRecursive?: readonly BlkioEntry[];
  readonly ioWaitTimeRecursive?: readonly BlkioEntry[];
  readonly ioMergedRecursive?: readonly BlkioEntry[];
  readonly ioTimeRecursive?: readonly BlkioEntry[];
  readonly sectorsRecursive?: readonly BlkioEntry[];
  readonly psi?: Psi;
}

export interface HugetlbStats {
  readonly usage?: Int;
  readonly max?: Int;
  readonly failcnt: Int;
}

/**
 * Everything the cgroups know about a container. Values above 2^53 (a limit of "none") are bigint: serialise with that
 * in mind. Zero members that runc leaves out are left out here too.
 */
export interface CgroupStats {
  readonly cpu: CpuStats;
  readonly cpuset: CpusetStats;
  readonly memory: MemoryStats;
  readonly pids: { readonly current?: Int; readonly limit?: Int };
  readonly blkio: BlkioStats;
  readonly hugetlb: Readonly<Record<string, HugetlbStats>>;
}
