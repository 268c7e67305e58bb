/** Metrics of a unified cgroup, read from the files of the controllers that it has. */
import type { Integer } from "../../runtime/base/u64.ts";
import { readIfThere } from "../../runtime/cgroups/kernel-files.ts";
import { parseCount, readCount, readKeys, readPsi } from "../../runtime/cgroups/stats-files.ts";
import { hugePageSizes } from "../../runtime/cgroups/stats-v1.ts";
import type {
  CPUStatInit,
  HugeTlbStatInit,
  IOEntryInit,
  MemoryEventsInit,
  MemoryStatInit,
  MetricsInit,
  PSIStatsInit,
} from "../../schemas/generated/proto/cgroups-v2.ts";
import { type Counts, field, readRdma } from "./numbers.ts";

/**
 * Files of controllers that are not enabled are not tried, and count as zero: a missing file is more expensive than
 * one that is there.
 */
export function metricsV2(directory: string): MetricsInit {
  const controllers = readIfThere(`${directory}/cgroup.controllers`)?.split(" ") ?? [];
  const has = (controller: string): boolean => controllers.includes(controller);
  const count = (file: string) => field(readCount(`${directory}/${file}`));
  const rdma = has("rdma");
  return {
    pids: has("pids") ? { current: count("pids.current"), limit: count("pids.max") } : {},
    cpu: cpuOf(directory),
    memory: { ...(has("memory") ? memoryOf(directory) : {}), psi: psiOf(directory, "memory") },
    rdma: rdma
      ? { current: readRdma(`${directory}/rdma.current`), limit: readRdma(`${directory}/rdma.max`) }
      : {},
    io: {
      usage: has("io") ? ioUsage(readIfThere(`${directory}/io.stat`) ?? "") : [],
      psi: psiOf(directory, "io"),
    },
    hugetlb: has("hugetlb") ? hugetlbOf(directory) : [],
    memoryEvents: has("memory") ? memoryEventsOf(directory) : null,
  };
}

/** cpu.stat is there without the controller, too: then without periods. */
function cpuOf(directory: string): CPUStatInit {
  const stat: Counts = readKeys(`${directory}/cpu.stat`) ?? {};
  return {
    usageUsec: field(stat["usage_usec"]),
    userUsec: field(stat["user_usec"]),
    systemUsec: field(stat["system_usec"]),
    nrPeriods: field(stat["nr_periods"]),
    nrThrottled: field(stat["nr_throttled"]),
    throttledUsec: field(stat["throttled_usec"]),
    psi: psiOf(directory, "cpu"),
    nrBursts: field(stat["nr_bursts"]),
    burstUsec: field(stat["burst_usec"]),
  };
}

function memoryOf(directory: string): MemoryStatInit {
  const count = (file: string) => field(readCount(`${directory}/memory.${file}`));
  const stat: Counts = readKeys(`${directory}/memory.stat`) ?? {};
  return {
    ...kinds(stat),
    ...activity(stat),
    usage: count("current"),
    usageLimit: count("max"),
    swapUsage: count("swap.current"),
    swapLimit: count("swap.max"),
    maxUsage: count("peak"),
    swapMaxUsage: count("swap.peak"),
  };
}

/** What memory is used for, in bytes. */
function kinds(stat: Counts): MemoryStatInit {
  return {
    anon: field(stat["anon"]),
    file: field(stat["file"]),
    kernelStack: field(stat["kernel_stack"]),
    slab: field(stat["slab"]),
    sock: field(stat["sock"]),
    shmem: field(stat["shmem"]),
    fileMapped: field(stat["file_mapped"]),
    fileDirty: field(stat["file_dirty"]),
    fileWriteback: field(stat["file_writeback"]),
    anonThp: field(stat["anon_thp"]),
    inactiveAnon: field(stat["inactive_anon"]),
    activeAnon: field(stat["active_anon"]),
    inactiveFile: field(stat["inactive_file"]),
    activeFile: field(stat["active_file"]),
    unevictable: field(stat["unevictable"]),
    slabReclaimable: field(stat["slab_reclaimable"]),
    slabUnreclaimable: field(stat["slab_unreclaimable"]),
  };
}

/** What has happened to pages, counted. */
function activity(stat: Counts): MemoryStatInit {
  return {
    pgfault: field(stat["pgfault"]),
    pgmajfault: field(stat["pgmajfault"]),
    workingsetRefault: bothKinds(stat, "workingset_refault"),
    workingsetActivate: bothKinds(stat, "workingset_activate"),
    workingsetNodereclaim: field(stat["workingset_nodereclaim"]),
    pgrefill: field(stat["pgrefill"]),
    pgscan: field(stat["pgscan"]),
    pgsteal: field(stat["pgsteal"]),
    pgactivate: field(stat["pgactivate"]),
    pgdeactivate: field(stat["pgdeactivate"]),
    pglazyfree: field(stat["pglazyfree"]),
    pglazyfreed: field(stat["pglazyfreed"]),
    thpFaultAlloc: field(stat["thp_fault_alloc"]),
    thpCollapseAlloc: field(stat["thp_collapse_alloc"]),
  };
}

/** Since Linux 5.9 anonymous memory and files are counted separately. */
function bothKinds(stat: Counts, key: string): ReturnType<typeof field> {
  const together = stat[key];
  if (together !== undefined) return field(together);
  return sum(stat[`${key}_anon`], stat[`${key}_file`]);
}

function sum(first: Integer = 0, second: Integer = 0): ReturnType<typeof field> {
  return typeof first === "number" && typeof second === "number"
    ? first + second
    : field(BigInt(first) + BigInt(second));
}

function memoryEventsOf(directory: string): MemoryEventsInit | null {
  const events: Counts | undefined = readKeys(`${directory}/memory.events`);
  if (events === undefined) return null;
  return {
    low: field(events["low"]),
    high: field(events["high"]),
    max: field(events["max"]),
    oom: field(events["oom"]),
    oomKill: field(events["oom_kill"]),
    oomGroupKill: field(events["oom_group_kill"]),
  };
}

/** Absent where pressure is not accounted. */
function psiOf(directory: string, resource: string): PSIStatsInit | null {
  const { psi } = readPsi(`${directory}/${resource}.pressure`);
  if (psi === undefined) return null;
  const { some, full } = psi;
  return {
    some: { ...some, total: field(some.total) },
    full: { ...full, total: field(full.total) },
  };
}

/** io.stat: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`. */
function ioUsage(text: string): IOEntryInit[] {
  const entries: IOEntryInit[] = [];
  for (const line of text.split("\n")) {
    const [device, ...pairs] = line.split(" ");
    const [major, minor] = (device ?? "").split(":");
    if (major === undefined || minor === undefined || pairs.length === 0) continue;
    const values: Record<string, Integer> = {};
    for (const pair of pairs) {
      const [name, value] = pair.split("=");
      if (name !== undefined && value !== undefined) values[name] = parseCount(value);
    }
    entries.push({
      major: field(parseCount(major)),
      minor: field(parseCount(minor)),
      rbytes: field(values["rbytes"]),
      wbytes: field(values["wbytes"]),
      rios: field(values["rios"]),
      wios: field(values["wios"]),
    });
  }
  return entries;
}

/** Failures are counted in an events file: `max 3`. */
function hugetlbOf(directory: string): HugeTlbStatInit[] {
  return hugePageSizes().map((pagesize) => {
    const prefix = `${directory}/hugetlb.${pagesize}`;
    return {
      pagesize,
      current: field(readCount(`${prefix}.current`)),
      max: field(readCount(`${prefix}.max`)),
      failcnt: field(readKeys(`${prefix}.events`)?.["max"]),
    };
  });
}
