/** Metrics of v1 cgroups, read from the files of each controller. */
import type { Integer } from "../../runtime/base/u64.ts";
import { readIfThere } from "../../runtime/cgroups/kernel-files.ts";
import type { CgroupPaths } from "../../runtime/cgroups/manager.ts";
import type { BlkioEntry } from "../../runtime/cgroups/stats.ts";
import { parseCount, readCount, readKeys } from "../../runtime/cgroups/stats-files.ts";
import { blkioStats, hugePageSizes } from "../../runtime/cgroups/stats-v1.ts";
import type {
  BlkIOEntryInit,
  BlkIOStatInit,
  CPUStatInit,
  HugetlbStatInit,
  MemoryEntryInit,
  MemoryOomControlInit,
  MemoryStatInit,
  MetricsInit,
  PidsStatInit,
} from "../../schemas/generated/proto/cgroups-v1.ts";
import { type Counts, field, readRdma } from "./numbers.ts";

/** cpuacct.stat counts in USER_HZ, which is 100 on all supported architectures. */
const nanosecondsPerTick = 10_000_000;

/** A controller that is not mounted has no message. Taskstats (cgroup_stats) are not collected. */
export function metricsV1(paths: CgroupPaths): MetricsInit {
  const { hugetlb, pids, cpu, cpuacct, memory, blkio, rdma } = paths;
  return {
    hugetlb: hugetlb === undefined ? [] : hugetlbOf(hugetlb),
    pids: pids === undefined ? null : pidsOf(pids),
    cpu: cpu === undefined && cpuacct === undefined ? null : cpuOf(cpu, cpuacct),
    memory: memory === undefined ? null : memoryOf(memory),
    blkio: blkio === undefined ? null : blkioOf(blkio),
    rdma:
      rdma === undefined
        ? null
        : { current: readRdma(`${rdma}/rdma.current`), limit: readRdma(`${rdma}/rdma.max`) },
    memoryOomControl: memory === undefined ? null : oomControlOf(memory),
  };
}

function hugetlbOf(directory: string): HugetlbStatInit[] {
  return hugePageSizes().map((pagesize) => {
    const count = (file: string) => field(readCount(`${directory}/hugetlb.${pagesize}.${file}`));
    return {
      pagesize,
      usage: count("usage_in_bytes"),
      max: count("max_usage_in_bytes"),
      failcnt: count("failcnt"),
    };
  });
}

/** No limit is 0 here, as from the Go shim; in v2 it is 2^64-1. */
function pidsOf(directory: string): PidsStatInit {
  const limit = readIfThere(`${directory}/pids.max`);
  return {
    current: field(readCount(`${directory}/pids.current`)),
    limit: limit === undefined || limit === "max" ? 0 : field(parseCount(limit)),
  };
}

function cpuOf(cpu: string | undefined, cpuacct: string | undefined): CPUStatInit {
  const stat: Counts = (cpu === undefined ? undefined : readKeys(`${cpu}/cpu.stat`)) ?? {};
  return {
    usage: cpuacct === undefined ? null : usageOf(cpuacct),
    throttling: {
      periods: field(stat["nr_periods"]),
      throttledPeriods: field(stat["nr_throttled"]),
      throttledTime: field(stat["throttled_time"]),
    },
  };
}

function usageOf(directory: string): CPUStatInit["usage"] {
  const ticks: Counts = readKeys(`${directory}/cpuacct.stat`) ?? {};
  const perCpu = readIfThere(`${directory}/cpuacct.usage_percpu`) ?? "";
  const numbers: (number | ReturnType<typeof field>)[] = [];
  for (const text of perCpu.split(" ")) if (text !== "") numbers.push(field(parseCount(text)));
  return {
    total: field(readCount(`${directory}/cpuacct.usage`)),
    kernel: Number(ticks["system"] ?? 0) * nanosecondsPerTick,
    user: Number(ticks["user"] ?? 0) * nanosecondsPerTick,
    perCpu: numbers.map((number) => number ?? 0),
  };
}

function memoryOf(directory: string): MemoryStatInit {
  const stat: Counts = readKeys(`${directory}/memory.stat`) ?? {};
  return {
    ...ownMemory(stat),
    ...totalMemory(stat),
    hierarchicalMemoryLimit: field(stat["hierarchical_memory_limit"]),
    hierarchicalSwapLimit: field(stat["hierarchical_memsw_limit"]),
    usage: memoryEntry(`${directory}/memory`),
    swap: memoryEntry(`${directory}/memory.memsw`),
    kernel: memoryEntry(`${directory}/memory.kmem`),
    kernelTcp: memoryEntry(`${directory}/memory.kmem.tcp`),
  };
}

function ownMemory(stat: Counts): MemoryStatInit {
  return {
    cache: field(stat["cache"]),
    rss: field(stat["rss"]),
    rssHuge: field(stat["rss_huge"]),
    mappedFile: field(stat["mapped_file"]),
    dirty: field(stat["dirty"]),
    writeback: field(stat["writeback"]),
    pgPgIn: field(stat["pgpgin"]),
    pgPgOut: field(stat["pgpgout"]),
    pgFault: field(stat["pgfault"]),
    pgMajFault: field(stat["pgmajfault"]),
    inactiveAnon: field(stat["inactive_anon"]),
    activeAnon: field(stat["active_anon"]),
    inactiveFile: field(stat["inactive_file"]),
    activeFile: field(stat["active_file"]),
    unevictable: field(stat["unevictable"]),
  };
}

/** Of the cgroup and all below it. */
function totalMemory(stat: Counts): MemoryStatInit {
  return {
    totalCache: field(stat["total_cache"]),
    totalRss: field(stat["total_rss"]),
    totalRssHuge: field(stat["total_rss_huge"]),
    totalMappedFile: field(stat["total_mapped_file"]),
    totalDirty: field(stat["total_dirty"]),
    totalWriteback: field(stat["total_writeback"]),
    totalPgPgIn: field(stat["total_pgpgin"]),
    totalPgPgOut: field(stat["total_pgpgout"]),
    totalPgFault: field(stat["total_pgfault"]),
    totalPgMajFault: field(stat["total_pgmajfault"]),
    totalInactiveAnon: field(stat["total_inactive_anon"]),
    totalActiveAnon: field(stat["total_active_anon"]),
    totalInactiveFile: field(stat["total_inactive_file"]),
    totalActiveFile: field(stat["total_active_file"]),
    totalUnevictable: field(stat["total_unevictable"]),
  };
}

/** All four are zero where the kernel does not account (swap and kernel memory can be switched off). */
function memoryEntry(prefix: string): MemoryEntryInit {
  const limit = readCount(`${prefix}.limit_in_bytes`);
  if (limit === undefined) return {};
  return {
    limit: field(limit),
    usage: field(readCount(`${prefix}.usage_in_bytes`)),
    max: field(readCount(`${prefix}.max_usage_in_bytes`)),
    failcnt: field(readCount(`${prefix}.failcnt`)),
  };
}

function oomControlOf(directory: string): MemoryOomControlInit {
  const counts: Counts = readKeys(`${directory}/memory.oom_control`) ?? {};
  return {
    oomKillDisable: field(counts["oom_kill_disable"]),
    underOom: field(counts["under_oom"]),
    oomKill: field(counts["oom_kill"]),
  };
}

function blkioOf(directory: string): BlkIOStatInit {
  const stats = blkioStats(directory);
  const devices = new Devices();
  const list = (entries: readonly BlkioEntry[] | undefined): BlkIOEntryInit[] =>
    entries?.map((entry) => blkioEntry(entry, devices)) ?? [];
  return {
    ioServiceBytesRecursive: list(stats.ioServiceBytesRecursive),
    ioServicedRecursive: list(stats.ioServicedRecursive),
    ioQueuedRecursive: list(stats.ioQueueRecursive),
    ioServiceTimeRecursive: list(stats.ioServiceTimeRecursive),
    ioWaitTimeRecursive: list(stats.ioWaitTimeRecursive),
    ioMergedRecursive: list(stats.ioMergedRecursive),
    ioTimeRecursive: list(stats.ioTimeRecursive),
    sectorsRecursive: list(stats.sectorsRecursive),
  };
}

function blkioEntry({ op, major, minor, value }: BlkioEntry, devices: Devices): BlkIOEntryInit {
  return {
    op,
    device: devices.nameOf(major ?? 0, minor ?? 0),
    major: field(major),
    minor: field(minor),
    value: field(value),
  };
}

/** Names of block devices, for one measurement; read when the first one is asked for. */
class Devices {
  #names: Record<string, string> | undefined;

  /** `/dev/sda`; empty for one that the host does not list (any more). */
  nameOf(major: Integer, minor: Integer): string {
    this.#names ??= parsePartitions(readIfThere("/proc/partitions") ?? "");
    return this.#names[`${major}:${minor}`] ?? "";
  }
}

/** `   8        0   1048576 sda` after a header; of a device's names the first. */
export function parsePartitions(text: string): Record<string, string> {
  const names: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const [major, minor, , name] = line.split(" ").filter((word) => word !== "");
    if (name !== undefined && name !== "name") names[`${major}:${minor}`] ??= `/dev/${name}`;
  }
  return names;
}
