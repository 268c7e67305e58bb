/** The data object of `events`, in the form that runc prints and containerd parses. */
import type { Integer } from "../base/u64.ts";

/**
 * Pressure stall information; averages in percent, total in microseconds
 * (Documentation/accounting/psi.rst).
 */
export interface PsiLine {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  readonly total: Integer;
}

export interface Psi {
  readonly some: PsiLine;
  readonly full: PsiLine;
}

export interface CpuStats {
  /** Nanoseconds. */
  readonly usage: {
    readonly total?: Integer;
    readonly percpu?: readonly Integer[];
    readonly percpu_kernel?: readonly Integer[];
    readonly percpu_user?: readonly Integer[];
    readonly kernel: Integer;
    readonly user: Integer;
  };
  readonly throttling: {
    readonly periods?: Integer;
    readonly throttledPeriods?: Integer;
    readonly throttledTime?: Integer;
  };
  readonly psi?: Psi;
}

export interface CpusetStats {
  readonly cpus?: readonly number[];
  readonly cpu_exclusive: Integer;
  readonly mems?: readonly number[];
  readonly mem_hardwall: Integer;
  readonly mem_exclusive: Integer;
  readonly memory_migrate: Integer;
  readonly memory_spread_page: Integer;
  readonly memory_spread_slab: Integer;
  readonly memory_pressure: Integer;
  readonly sched_load_balance: Integer;
  readonly sched_relax_domain_level: Integer;
}

/** Bytes. */
export interface MemoryEntry {
  readonly limit: Integer;
  readonly usage?: Integer;
  readonly max?: Integer;
  readonly failcnt: Integer;
}

export interface MemoryStats {
  readonly cache?: Integer;
  readonly usage: MemoryEntry;
  readonly swap: MemoryEntry;
  readonly kernel: MemoryEntry;
  readonly kernelTCP: MemoryEntry;
  /** memory.stat. */
  readonly raw?: Readonly<Record<string, Integer>>;
  readonly psi?: Psi;
}

export interface BlkioEntry {
  readonly major?: Integer;
  readonly minor?: Integer;
  readonly op?: string;
  readonly value?: Integer;
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
  readonly usage?: Integer;
  readonly max?: Integer;
  readonly failcnt: Integer;
}

/**
 * Everything the cgroups know about a container. Values above 2^53 (a limit of "none") are bigint:
 * serialise with that in mind. Zero members that runc leaves out are left out here too.
 */
export interface CgroupStats {
  readonly cpu: CpuStats;
  readonly cpuset: CpusetStats;
  readonly memory: MemoryStats;
  readonly pids: { readonly current?: Integer; readonly limit?: Integer };
  readonly blkio: BlkioStats;
  readonly hugetlb: Readonly<Record<string, HugetlbStats>>;
}
