/** Statistics of a container's v2 cgroup, in the v1-shaped form that `events` has. */
import type { Integer } from "../base/u64.ts";
import { numberOf } from "./freezer.ts";
import { readIfThere } from "./kernel-files.ts";
import type {
  BlkioEntry,
  BlkioStats,
  CgroupStats,
  CpuStats,
  HugetlbStats,
  MemoryEntry,
  MemoryStats,
} from "./stats.ts";
import { blkioEntry, nonEmpty, nonZero, readCount, readKeys, readPsi } from "./stats-files.ts";
import { cpusetStats, hugePageSizes } from "./stats-v1.ts";

/** Reads what is there; a controller that is not enabled counts as zero. */
export function statsV2(directory: string): CgroupStats {
  return {
    cpu: cpuStats(directory),
    cpuset: cpusetStats(undefined),
    memory: memoryStats(directory),
    pids: pidsStats(directory),
    blkio: ioStats(directory),
    hugetlb: hugetlbStats(directory),
  };
}

function cpuStats(directory: string): CpuStats {
  const stat = readKeys(`${directory}/cpu.stat`) ?? {};
  const nanoseconds = (key: string): Integer => Number(stat[key] ?? 0) * 1000;
  return {
    usage: {
      ...nonZero("total", nanoseconds("usage_usec")),
      kernel: nanoseconds("system_usec"),
      user: nanoseconds("user_usec"),
    },
    throttling: {
      ...nonZero("periods", stat["nr_periods"]),
      ...nonZero("throttledPeriods", stat["nr_throttled"]),
      ...nonZero("throttledTime", nanoseconds("throttled_usec")),
    },
    ...readPsi(`${directory}/cpu.pressure`),
  };
}

function memoryStats(directory: string): MemoryStats {
  const raw = readKeys(`${directory}/memory.stat`);
  const none: MemoryEntry = { limit: 0, failcnt: 0 };
  const psi = readPsi(`${directory}/memory.pressure`);
  const usage = readCount(`${directory}/memory.current`);
  if (usage === undefined) {
    return { usage: none, swap: none, kernel: none, kernelTCP: none, ...psi };
  }
  const limit = readCount(`${directory}/memory.max`) ?? 0;
  return {
    ...nonZero("cache", raw?.["file"]),
    usage: {
      limit,
      ...nonZero("usage", usage),
      ...nonZero("max", readCount(`${directory}/memory.peak`)),
      failcnt: 0,
    },
    swap: swapEntry(directory, usage, limit),
    kernel: none,
    kernelTCP: none,
    ...(raw === undefined ? {} : { raw }),
    ...psi,
  };
}

/** v1 counts memory and swap together; so does this. */
function swapEntry(directory: string, memoryUsage: Integer, memoryLimit: Integer): MemoryEntry {
  const limitText = readIfThere(`${directory}/memory.swap.max`);
  if (limitText === undefined) {
    return { limit: memoryLimit, ...nonZero("usage", memoryUsage), failcnt: 0 };
  }
  const swapUsage = readCount(`${directory}/memory.swap.current`) ?? 0;
  const noLimit = limitText === "max" || memoryLimit >= noLimitValue;
  return {
    limit: noLimit ? noLimitValue : small(BigInt(limitText) + BigInt(memoryLimit)),
    ...nonZero("usage", small(BigInt(swapUsage) + BigInt(memoryUsage))),
    failcnt: 0,
  };
}

const noLimitValue = 18446744073709551615n;

function small(value: bigint): Integer {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** Without the controller the processes are counted, in this cgroup alone, as runc does. */
function pidsStats(directory: string): CgroupStats["pids"] {
  const current = readCount(`${directory}/pids.current`);
  if (current === undefined) {
    const text =
      readIfThere(`${directory}/cgroup.procs`) ?? readIfThere(`${directory}/cgroup.threads`);
    return nonZero("current", text ? text.split("\n").length : 0);
  }
  const limit = readCount(`${directory}/pids.max`);
  return {
    ...nonZero("current", current),
    ...(limit === noLimitValue ? {} : nonZero("limit", limit)),
  };
}

/** io.stat: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`. */
function ioStats(directory: string): BlkioStats {
  const bytes: BlkioEntry[] = [];
  const operations: BlkioEntry[] = [];
  for (const line of readIfThere(`${directory}/io.stat`)?.split("\n") ?? []) {
    const [device, ...pairs] = line.split(" ");
    const [major, minor] = (device ?? "").split(":");
    if (major === undefined || minor === undefined) continue;
    for (const pair of pairs) {
      const [name, value] = pair.split("=");
      if (value === undefined) continue;
      const op = name?.startsWith("r") ? "Read" : "Write";
      if (name === "rbytes" || name === "wbytes") bytes.push(blkioEntry(major, minor, op, value));
      if (name === "rios" || name === "wios") operations.push(blkioEntry(major, minor, op, value));
    }
  }
  return {
    ...nonEmpty("ioServiceBytesRecursive", bytes),
    ...nonEmpty("ioServicedRecursive", operations),
    ...readPsi(`${directory}/io.pressure`),
  };
}

function hugetlbStats(directory: string): Record<string, HugetlbStats> {
  const stats: Record<string, HugetlbStats> = {};
  for (const size of hugePageSizes()) {
    const prefix = `${directory}/hugetlb.${size}`;
    const usage = readCount(`${prefix}.rsvd.current`) ?? readCount(`${prefix}.current`);
    if (usage === undefined) continue;
    stats[size] = {
      ...nonZero("usage", usage),
      failcnt: numberOf(readIfThere(`${prefix}.events`), "max") ?? 0,
    };
  }
  return stats;
}
