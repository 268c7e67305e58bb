/** linux.resources -> writes to cgroup v2 files. Pure; devices have their own file. */
import type {
  BlockIoResources,
  CpuResources,
  LinuxResources,
  MemoryResources,
} from "../../schemas/generated/config.ts";
import { fail } from "../base/errors.ts";
import type { Integer } from "../base/u64.ts";
import { isGiven, isSet, type LimitPlan, type LimitWrite } from "./resources.ts";
import { pidsMax, rdmaMax } from "./v1-resources.ts";

type Add = (controller: string, file: string, value: string, field: string, more?: Extra) => void;
type Extra = Pick<LimitWrite, "otherwise" | "optional" | "retry">;

/**
 * Present values that a partial update is computed from; undefined when not known (a new cgroup).
 */
export interface V2Current {
  /** memory.max: bytes or `max`. */
  readonly memoryMax?: string;
  /** cpu.max: `quota period`. */
  readonly cpuMax?: string;
}

/**
 * The writes for what is given. v1-only members are left out with a warning. Throws InvalidArgument
 * for contradictory values and bad `unified` keys. Rules and conversions: runc's fs2 driver.
 */
export function v2Limits(resources: LinuxResources, current: V2Current = {}): LimitPlan {
  const writes: LimitWrite[] = [];
  const warnings: string[] = [];
  const add: Add = (controller, file, value, field, more) => {
    writes.push({ controller, file, value, field: `linux.resources.${field}`, ...more });
  };
  const pids = resources.pids?.limit;
  if (isGiven(pids)) add("pids", "pids.max", pidsMax(Number(pids)), "pids.limit");
  if (isGiven(resources.memory)) addMemory(resources.memory, current, add);
  if (isGiven(resources.blockIO)) addIo(resources.blockIO, add);
  if (isGiven(resources.cpu)) addCpu(resources.cpu, current, add);
  addOthers(resources, add);
  addUnified(resources, add);
  warnOfV1Only(resources, warnings);
  return { writes, warnings };
}

function addMemory(memory: MemoryResources, current: V2Current, add: Add): void {
  const { limit, swap, reservation } = memory;
  const swapMax = swapOnly(memory, current.memoryMax);
  if (swapMax !== undefined) {
    // Without swap in the kernel "none" and "all there is" come to the same.
    const more: Extra = swapMax === "max" || swapMax === "0" ? { optional: true } : {};
    const field = isSet(swap) ? "memory.swap" : "memory.limit";
    add("memory", "memory.swap.max", swapMax, field, more);
  }
  if (isSet(limit)) add("memory", "memory.max", maxOr(limit), "memory.limit");
  if (isSet(reservation)) {
    add("memory", "memory.low", maxOr(reservation), "memory.reservation");
  }
}

/**
 * memory.swap.max: OCI counts memory+swap together, v2 swap alone. An unlimited memory with no word
 * about swap lifts the swap limit, as v1 has to.
 */
function swapOnly(memory: MemoryResources, currentMax: string | undefined): string | undefined {
  const { swap } = memory;
  if (!isSet(swap)) {
    return isSet(memory.limit) && Number(memory.limit) === -1 ? "max" : undefined;
  }
  if (Number(swap) === -1) return "max";
  let limit: Integer | undefined = isSet(memory.limit) ? memory.limit : undefined;
  if (limit === undefined && currentMax !== undefined) {
    limit = currentMax === "max" ? -1 : BigInt(currentMax);
  }
  if (limit === undefined) {
    throw fail(
      "InvalidArgument",
      "linux.resources.memory.swap: unable to set swap limit without memory limit",
    );
  }
  if (Number(limit) === -1) return String(swap);
  if (limit < 0) {
    throw fail("InvalidArgument", `linux.resources.memory.limit: invalid memory value: ${limit}`);
  }
  if (swap < limit) {
    throw fail(
      "InvalidArgument",
      "linux.resources.memory.swap: memory+swap limit should be >= memory limit",
    );
  }
  return String(BigInt(swap) - BigInt(limit));
}

function maxOr(value: Integer): string {
  return Number(value) === -1 ? "max" : String(value);
}

function addCpu(cpu: CpuResources, current: V2Current, add: Add): void {
  const { quota, period, burst, idle } = cpu;
  if (isSet(cpu.shares)) {
    // An idle cgroup refuses a weight: set it before it becomes idle, or once more when it no
    // longer is.
    const more: Extra = isGiven(idle) ? { retry: true } : {};
    add("cpu", "cpu.weight", String(cpuWeight(Number(cpu.shares))), "cpu.shares", more);
  }
  if (isGiven(idle)) add("cpu", "cpu.idle", String(idle), "cpu.idle");
  if (isGiven(burst)) {
    const more: Extra = isSet(quota) ? { retry: true } : {};
    add("cpu", "cpu.max.burst", String(burst), "cpu.burst", more);
  }
  if (isSet(quota)) {
    const value = quota > 0 ? String(quota) : "max";
    // One number alone keeps the period there is.
    add("cpu", "cpu.max", isSet(period) ? `${value} ${period}` : value, "cpu.quota");
  } else if (isSet(period)) {
    const now = current.cpuMax?.split(" ")[0] ?? "max";
    add("cpu", "cpu.max", `${now} ${period}`, "cpu.period");
  }
  if (cpu.cpus) add("cpuset", "cpuset.cpus", cpu.cpus, "cpu.cpus");
  if (cpu.mems) add("cpuset", "cpuset.mems", cpu.mems, "cpu.mems");
}

/**
 * cpu.weight [1, 10000] for cpu.shares [2, 262144]: the quadratic in log2(shares) that maps both
 * ends and the default (1024 -> 100). Common to runc >= 1.3.2, crun >= 1.23 and the Kubernetes
 * enhancement behind them.
 */
export function cpuWeight(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  const l = Math.log2(shares);
  return Math.ceil(10 ** ((l * l + 125 * l) / 612 - 7 / 34));
}

/** io.weight [1, 10000] for a blkio weight [10, 1000], linear. */
export function ioWeight(weight: number): number {
  return 1 + Math.floor(((weight - 10) * 9999) / 990);
}

function addIo(io: BlockIoResources, add: Add): void {
  if (isSet(io.weight)) {
    // Where the BFQ scheduler is built in, io.weight belongs to another policy.
    const otherwise = { file: "io.weight", value: String(ioWeight(Number(io.weight))) };
    add("io", "io.bfq.weight", String(io.weight), "blockIO.weight", { otherwise });
  }
  for (const [at, device] of (io.weightDevice ?? []).entries()) {
    if (!isSet(device.weight)) continue;
    const value = `${device.major}:${device.minor} ${device.weight}`;
    const optional = "only the BFQ scheduler has weights for single devices";
    add("io", "io.bfq.weight", value, `blockIO.weightDevice[${at}].weight`, { optional });
  }
  for (const [member, key] of throttles) {
    for (const [at, device] of (io[member] ?? []).entries()) {
      if (!isGiven(device.rate)) continue;
      const value = `${device.major}:${device.minor} ${key}=${device.rate}`;
      add("io", "io.max", value, `blockIO.${member}[${at}]`);
    }
  }
}

const throttles = [
  ["throttleReadBpsDevice", "rbps"],
  ["throttleWriteBpsDevice", "wbps"],
  ["throttleReadIOPSDevice", "riops"],
  ["throttleWriteIOPSDevice", "wiops"],
] as const;

function addOthers(resources: LinuxResources, add: Add): void {
  for (const [at, { pageSize, limit }] of (resources.hugepageLimits ?? []).entries()) {
    const field = `hugepageLimits[${at}]`;
    add("hugetlb", `hugetlb.${pageSize}.max`, String(limit), field);
    add("hugetlb", `hugetlb.${pageSize}.rsvd.max`, String(limit), field, { optional: true });
  }
  for (const [device, limits] of Object.entries(resources.rdma ?? {})) {
    add("rdma", "rdma.max", rdmaMax(device, limits), `rdma["${device}"]`);
  }
}

/**
 * `unified` comes last: it may refine what the other members have set. Multi-line values are
 * written line by line.
 */
function addUnified(resources: LinuxResources, add: Add): void {
  for (const [key, value] of Object.entries(resources.unified ?? {})) {
    const field = `unified["${key}"]`;
    if (key.includes("/")) {
      throw fail(
        "InvalidArgument",
        `linux.resources.${field}: unified resource must be a file name (no slashes)`,
      );
    }
    const dot = key.indexOf(".");
    if (dot <= 0) {
      throw fail(
        "InvalidArgument",
        `linux.resources.${field}: unified resource must be in the form CONTROLLER.PARAMETER`,
      );
    }
    for (const line of value.split("\n")) {
      if (line !== "" || !value.includes("\n")) add(key.slice(0, dot), key, line, field);
    }
  }
}

/** Members with no counterpart on v2. */
function warnOfV1Only(resources: LinuxResources, warnings: string[]): void {
  const { memory, cpu, blockIO, network } = resources;
  const warn = (given: boolean, field: string): void => {
    if (given)
      warnings.push(`linux.resources.${field} has no effect: cgroup v2 has nothing like it`);
  };
  warn(isSet(memory?.kernel), "memory.kernel");
  warn(isSet(memory?.kernelTCP), "memory.kernelTCP");
  warn(isGiven(memory?.swappiness), "memory.swappiness");
  warn(memory?.disableOOMKiller === true, "memory.disableOOMKiller");
  warn(isSet(cpu?.realtimePeriod), "cpu.realtimePeriod");
  warn(isSet(cpu?.realtimeRuntime), "cpu.realtimeRuntime");
  warn(isSet(blockIO?.leafWeight), "blockIO.leafWeight");
  warn(isSet(network?.classID), "network.classID");
  warn((network?.priorities ?? []).length > 0, "network.priorities");
}
