/** Statistics of a container's v1 cgroups. */
import { readdirSync } from "node:fs";
import type { Integer } from "../base/u64.ts";
import { readIfThere } from "./kernel-files.ts";
import type { CgroupPaths } from "./manager.ts";
import type {
  BlkioStats,
  CgroupStats,
  CpuStats,
  CpusetStats,
  HugetlbStats,
  MemoryEntry,
  MemoryStats,
} from "./stats.ts";
import {
  hugePageNames,
  nonEmpty,
  nonZero,
  parseBlkio,
  parseCount,
  parseKeys,
  parseRanges,
  readCount,
  readKeys,
} from "./stats-files.ts";

/** cpuacct.stat counts in USER_HZ, which is 100 on all supported architectures. */
const nanosecondsPerTick = 10_000_000;

/** Reads what is there; a controller that is not mounted counts as zero. */
export function statsV1(paths: CgroupPaths): CgroupStats {
  return {
    cpu: cpuStats(paths["cpu"], paths["cpuacct"]),
    cpuset: cpusetStats(paths["cpuset"]),
    memory: memoryStats(paths["memory"]),
    pids: pidsStats(paths["pids"]),
    blkio: blkioStats(paths["blkio"]),
    hugetlb: hugetlbStats(paths["hugetlb"]),
  };
}

function cpuStats(cpu: string | undefined, cpuacct: string | undefined): CpuStats {
  const throttling = cpu === undefined ? {} : (readKeys(`${cpu}/cpu.stat`) ?? {});
  const read = (file: string): string | undefined =>
    cpuacct === undefined ? undefined : readIfThere(`${cpuacct}/${file}`);
  const ticks = parseKeys(read("cpuacct.stat") ?? "");
  const percpu = read("cpuacct.usage_percpu")?.split(" ").filter(Boolean).map(parseCount);
  // Header, then one line a cpu: `cpu user system`.
  const all = (read("cpuacct.usage_all")?.split("\n") ?? []).slice(1).map((l) => l.split(" "));
  const column = (at: number): Integer[] => all.map((fields) => parseCount(fields[at] ?? "0"));
  return {
    usage: {
      ...nonZero("total", parseCount(read("cpuacct.usage") ?? "0")),
      ...nonEmpty("percpu", percpu),
      ...nonEmpty("percpu_kernel", column(2)),
      ...nonEmpty("percpu_user", column(1)),
      kernel: Number(ticks["system"] ?? 0) * nanosecondsPerTick,
      user: Number(ticks["user"] ?? 0) * nanosecondsPerTick,
    },
    throttling: {
      ...nonZero("periods", throttling["nr_periods"]),
      ...nonZero("throttledPeriods", throttling["nr_throttled"]),
      ...nonZero("throttledTime", throttling["throttled_time"]),
    },
  };
}

/** All zero without a directory, as on v2, where runc reports the same. */
export function cpusetStats(directory: string | undefined): CpusetStats {
  const read = (file: string): string =>
    (directory === undefined ? undefined : readIfThere(`${directory}/cpuset.${file}`)) ?? "";
  const count = (file: string): Integer => parseCount(read(file) || "0");
  return {
    ...nonEmpty("cpus", parseRanges(read("cpus"))),
    cpu_exclusive: count("cpu_exclusive"),
    ...nonEmpty("mems", parseRanges(read("mems"))),
    mem_hardwall: count("mem_hardwall"),
    mem_exclusive: count("mem_exclusive"),
    memory_migrate: count("memory_migrate"),
    memory_spread_page: count("memory_spread_page"),
    memory_spread_slab: count("memory_spread_slab"),
    memory_pressure: count("memory_pressure"),
    sched_load_balance: count("sched_load_balance"),
    sched_relax_domain_level: Number(read("sched_relax_domain_level") || 0),
  };
}

function memoryStats(directory: string | undefined): MemoryStats {
  const raw = directory === undefined ? undefined : readKeys(`${directory}/memory.stat`);
  const entry = (prefix: string): MemoryEntry => {
    const read = (file: string): Integer | undefined =>
      directory === undefined ? undefined : readCount(`${directory}/${prefix}.${file}`);
    return {
      limit: read("limit_in_bytes") ?? 0,
      ...nonZero("usage", read("usage_in_bytes")),
      ...nonZero("max", read("max_usage_in_bytes")),
      failcnt: read("failcnt") ?? 0,
    };
  };
  return {
    ...nonZero("cache", raw?.["cache"]),
    usage: entry("memory"),
    swap: entry("memory.memsw"),
    kernel: entry("memory.kmem"),
    kernelTCP: entry("memory.kmem.tcp"),
    ...(raw === undefined ? {} : { raw }),
  };
}

function pidsStats(directory: string | undefined): CgroupStats["pids"] {
  if (directory === undefined) return {};
  const limit = readIfThere(`${directory}/pids.max`);
  return {
    ...nonZero("current", readCount(`${directory}/pids.current`)),
    // "No limit" is 0 here.
    ...(limit === undefined || limit === "max" ? {} : nonZero("limit", parseCount(limit))),
  };
}

type BlkioList = Exclude<keyof BlkioStats, "psi">;

const serviced = [
  ["ioServiceBytesRecursive", "io_service_bytes"],
  ["ioServicedRecursive", "io_serviced"],
] as const satisfies readonly (readonly [BlkioList, string])[];

const detailed = [
  ...serviced,
  ["ioQueueRecursive", "io_queued"],
  ["ioServiceTimeRecursive", "io_service_time"],
  ["ioWaitTimeRecursive", "io_wait_time"],
  ["ioMergedRecursive", "io_merged"],
  ["ioTimeRecursive", "time"],
  ["sectorsRecursive", "sectors"],
] as const satisfies readonly (readonly [BlkioList, string])[];

/**
 * Which files are there depends on kernel and I/O scheduler: BFQ with or without debug statistics,
 * CFQ, or only the throttling layer. The first source that has everything is taken.
 */
export function blkioStats(directory: string | undefined): BlkioStats {
  if (directory === undefined) return {};
  const sources = [
    ["blkio.bfq.", detailed, "_recursive"],
    ["blkio.bfq.", serviced, "_recursive"],
    ["blkio.", detailed, "_recursive"],
    ["blkio.throttle.", serviced, "_recursive"],
    ["blkio.throttle.", serviced, ""],
  ] as const;
  let found: BlkioStats = {};
  for (const [prefix, lists, suffix] of sources) {
    const stats: { -readonly [list in BlkioList]?: BlkioStats[list] } = {};
    let complete = true;
    let any = false;
    for (const [list, file] of lists) {
      const text = readIfThere(`${directory}/${prefix}${file}${suffix}`);
      if (text === undefined) {
        complete = false;
        break;
      }
      const entries = parseBlkio(text);
      if (entries.length === 0) continue;
      any = true;
      stats[list] = entries;
    }
    if (!complete) continue;
    found = stats;
    // BFQ files stay empty where another scheduler is at work: the throttling layer still counts.
    if (any) return stats;
  }
  return found;
}

function hugetlbStats(directory: string | undefined): Record<string, HugetlbStats> {
  const stats: Record<string, HugetlbStats> = {};
  if (directory === undefined) return stats;
  for (const size of hugePageSizes()) {
    const plain = `${directory}/hugetlb.${size}`;
    const reserved = readCount(`${plain}.rsvd.usage_in_bytes`);
    const prefix = reserved === undefined ? plain : `${plain}.rsvd`;
    stats[size] = {
      ...nonZero("usage", reserved ?? readCount(`${plain}.usage_in_bytes`)),
      ...nonZero("max", readCount(`${prefix}.max_usage_in_bytes`)),
      failcnt: readCount(`${prefix}.failcnt`) ?? 0,
    };
  }
  return stats;
}

/** The host's huge page sizes (`2MB`, `1GB`). */
export function hugePageSizes(): string[] {
  try {
    return hugePageNames(readdirSync("/sys/kernel/mm/hugepages"));
  } catch {
    return [];
  }
}
