/** linux.resources -> writes to cgroup v1 files. Pure; devices have their own file. */
import type {
  BlockIoResources,
  CpuResources,
  LinuxResources,
  MemoryResources,
  RdmaLimit,
} from "../../schemas/generated/config.ts";
import { fail } from "../base/errors.ts";
import { isGiven, isSet, type LimitPlan, type LimitWrite } from "./resources.ts";

type Add = (controller: string, file: string, value: string, field: string, more?: Extra) => void;
type Extra = Pick<LimitWrite, "otherwise" | "optional" | "retry">;

/**
 * The writes for what is given, in the order in which the kernel takes them. Throws InvalidArgument
 * for values that the kernel would silently clamp and for `unified`, which v1 does not have. Rules:
 * runc's fs driver.
 */
export function v1Limits(resources: LinuxResources): LimitPlan {
  const writes: LimitWrite[] = [];
  const warnings: string[] = [];
  const add: Add = (controller, file, value, field, more) => {
    writes.push({ controller, file, value, field: `linux.resources.${field}`, ...more });
  };
  refuseUnified(resources);
  if (isGiven(resources.cpu)) {
    addCpuset(resources.cpu, add);
    addCpu(resources.cpu, add);
  }
  if (isGiven(resources.memory)) addMemory(resources.memory, add, warnings);
  const pids = resources.pids?.limit;
  if (isGiven(pids)) add("pids", "pids.max", pidsMax(Number(pids)), "pids.limit");
  if (isGiven(resources.blockIO)) addBlockIo(resources.blockIO, add);
  addOthers(resources, add);
  return { writes, warnings };
}

function refuseUnified(resources: LinuxResources): void {
  const key = Object.keys(resources.unified ?? {})[0];
  if (key === undefined) return;
  throw fail(
    "InvalidArgument",
    `linux.resources.unified["${key}"]: invalid configuration: cannot use unified on cgroup v1`,
  );
}

/** pids.max for a limit: systemd cannot say 0, so 0 is 1 with either driver; negative is none. */
export function pidsMax(limit: number): string {
  if (limit < 0) return "max";
  return limit === 0 ? "1" : String(limit);
}

function addCpuset(cpu: CpuResources, add: Add): void {
  if (cpu.cpus) add("cpuset", "cpuset.cpus", cpu.cpus, "cpu.cpus");
  if (cpu.mems) add("cpuset", "cpuset.mems", cpu.mems, "cpu.mems");
}

function addCpu(cpu: CpuResources, add: Add): void {
  if (isSet(cpu.shares)) {
    // The kernel clamps without a word.
    if (cpu.shares < 2) throw tooFar("minimum", 2);
    if (cpu.shares > 262144) throw tooFar("maximum", 262144);
    // An idle cgroup refuses shares: set them before it becomes idle, or once more when it no
    // longer is.
    const more: Extra = isGiven(cpu.idle) ? { retry: true } : {};
    add("cpu", "cpu.shares", String(cpu.shares), "cpu.shares", more);
  }
  const quota = isSet(cpu.quota);
  // A new period may exceed what the parent grants as long as the old quota is in place, and so may
  // a burst.
  const retry: Extra = quota ? { retry: true } : {};
  if (isSet(cpu.period)) {
    add("cpu", "cpu.cfs_period_us", String(cpu.period), "cpu.period", retry);
  }
  if (isGiven(cpu.burst)) {
    const more: Extra = { ...retry, optional: "this kernel has no cpu burst" };
    add("cpu", "cpu.cfs_burst_us", String(cpu.burst), "cpu.burst", more);
  }
  if (quota) add("cpu", "cpu.cfs_quota_us", String(cpu.quota), "cpu.quota");
  if (isGiven(cpu.idle)) add("cpu", "cpu.idle", String(cpu.idle), "cpu.idle");
  const runtime = isSet(cpu.realtimeRuntime);
  if (isSet(cpu.realtimePeriod)) {
    const more: Extra = runtime ? { retry: true } : {};
    add("cpu", "cpu.rt_period_us", String(cpu.realtimePeriod), "cpu.realtimePeriod", more);
  }
  if (runtime) {
    add("cpu", "cpu.rt_runtime_us", String(cpu.realtimeRuntime), "cpu.realtimeRuntime");
  }
}

function tooFar(which: "minimum" | "maximum", bound: number): Error {
  return fail(
    "InvalidArgument",
    `linux.resources.cpu.shares: the ${which} allowed cpu-shares is ${bound}`,
  );
}

function addMemory(memory: MemoryResources, add: Add, warnings: string[]): void {
  const { limit, swap, reservation, swappiness } = memory;
  const unlimited = isSet(limit) && Number(limit) === -1;
  const pair = isSet(limit) && (isSet(swap) || unlimited);
  if (isSet(limit)) {
    // memory <= memory+swap holds at every moment: the kernel refuses the write that comes too
    // early, which is the first one exactly when both are raised.
    const retry: Extra = pair ? { retry: true } : {};
    add("memory", "memory.limit_in_bytes", String(limit), "memory.limit", retry);
  }
  if (isSet(swap)) {
    add("memory", "memory.memsw.limit_in_bytes", String(swap), "memory.swap");
  } else if (unlimited) {
    add("memory", "memory.memsw.limit_in_bytes", "-1", "memory.limit", { optional: true });
  }
  if (isSet(reservation)) {
    add("memory", "memory.soft_limit_in_bytes", String(reservation), "memory.reservation");
  }
  if (memory.disableOOMKiller) {
    add("memory", "memory.oom_control", "1", "memory.disableOOMKiller");
  }
  if (isGiven(swappiness) && !isMinusOne(swappiness)) {
    if (swappiness < 0 || swappiness > 100) {
      throw fail(
        "InvalidArgument",
        `linux.resources.memory.swappiness: invalid memory swappiness value: ${swappiness} (valid range is 0-100)`,
      );
    }
    add("memory", "memory.swappiness", String(swappiness), "memory.swappiness");
  }
  if (isSet(memory.kernelTCP)) {
    const optional = "this kernel has no such limit";
    const value = String(memory.kernelTCP);
    add("memory", "memory.kmem.tcp.limit_in_bytes", value, "memory.kernelTCP", { optional });
  }
  if (isSet(memory.kernel)) {
    warnings.push("linux.resources.memory.kernel has no effect: kernels ignore it");
  }
}

/** "Not set" in an unsigned field, as docker spells it; either the number or its 64-bit pattern. */
function isMinusOne(value: number | bigint): boolean {
  return Number(value) === -1 || Number(value) === 2 ** 64;
}

function addBlockIo(io: BlockIoResources, add: Add): void {
  if (isSet(io.weight)) {
    const value = String(io.weight);
    const otherwise = { file: "blkio.bfq.weight", value };
    add("blkio", "blkio.weight", value, "blockIO.weight", { otherwise });
  }
  if (isSet(io.leafWeight)) {
    add("blkio", "blkio.leaf_weight", String(io.leafWeight), "blockIO.leafWeight");
  }
  for (const [at, device] of (io.weightDevice ?? []).entries()) {
    const name = `${device.major}:${device.minor}`;
    const field = `blockIO.weightDevice[${at}]`;
    if (isSet(device.weight)) {
      const value = `${name} ${device.weight}`;
      const otherwise = { file: "blkio.bfq.weight_device", value };
      add("blkio", "blkio.weight_device", value, `${field}.weight`, { otherwise });
    }
    if (isSet(device.leafWeight)) {
      const value = `${name} ${device.leafWeight}`;
      add("blkio", "blkio.leaf_weight_device", value, `${field}.leafWeight`);
    }
  }
  for (const [member, kind] of throttles) {
    for (const [at, device] of (io[member] ?? []).entries()) {
      if (!isGiven(device.rate)) continue;
      const value = `${device.major}:${device.minor} ${device.rate}`;
      add("blkio", `blkio.throttle.${kind}_device`, value, `blockIO.${member}[${at}]`);
    }
  }
}

const throttles = [
  ["throttleReadBpsDevice", "read_bps"],
  ["throttleWriteBpsDevice", "write_bps"],
  ["throttleReadIOPSDevice", "read_iops"],
  ["throttleWriteIOPSDevice", "write_iops"],
] as const;

function addOthers(resources: LinuxResources, add: Add): void {
  for (const [at, { pageSize, limit }] of (resources.hugepageLimits ?? []).entries()) {
    const field = `hugepageLimits[${at}]`;
    add("hugetlb", `hugetlb.${pageSize}.limit_in_bytes`, String(limit), field);
    // Reservations are counted apart since Linux 5.7.
    const reserved = `hugetlb.${pageSize}.rsvd.limit_in_bytes`;
    add("hugetlb", reserved, String(limit), field, { optional: true });
  }
  const { network, rdma } = resources;
  const classId = network?.classID;
  if (isSet(classId)) add("net_cls", "net_cls.classid", String(classId), "network.classID");
  for (const [at, { name, priority }] of (network?.priorities ?? []).entries()) {
    add("net_prio", "net_prio.ifpriomap", `${name} ${priority}`, `network.priorities[${at}]`);
  }
  for (const [device, limits] of Object.entries(rdma ?? {})) {
    add("rdma", "rdma.max", rdmaMax(device, limits), `rdma["${device}"]`);
  }
}

/** `mlx5_1 hca_handle=2 hca_object=2000`, the same on v1 and v2. */
export function rdmaMax(device: string, limits: RdmaLimit): string {
  const handles = isGiven(limits.hcaHandles) ? ` hca_handle=${limits.hcaHandles}` : "";
  const objects = isGiven(limits.hcaObjects) ? ` hca_object=${limits.hcaObjects}` : "";
  return device + handles + objects;
}
