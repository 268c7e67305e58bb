/** CPU, I/O and memory placement of a process: scheduler, I/O priority, affinity, NUMA policy, personality. */
import type {
  IoPriority,
  Linux,
  MemoryPolicy,
  MemoryPolicyFlag,
  MemoryPolicyMode,
  Process,
  Scheduler,
  SchedulerFlag,
  SchedulerPolicy,
} from "../../schemas/generated/config.ts";
import type { PlanBuilder } from "./plan.ts";

/** include/uapi/linux/sched.h. */
const policies: Readonly<Record<SchedulerPolicy, number>> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
};

const schedulerFlags: Readonly<Record<SchedulerFlag, number>> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
};

/** include/uapi/linux/ioprio.h. */
const ioClasses: Readonly<Record<IoPriority["class"], number>> = {
  IOPRIO_CLASS_RT: 1,
  IOPRIO_CLASS_BE: 2,
  IOPRIO_CLASS_IDLE: 3,
};
const ioClassShift = 13;

/** include/uapi/linux/mempolicy.h. */
export const memoryModes: Readonly<Record<MemoryPolicyMode, number>> = {
  MPOL_DEFAULT: 0,
  MPOL_PREFERRED: 1,
  MPOL_BIND: 2,
  MPOL_INTERLEAVE: 3,
  MPOL_LOCAL: 4,
  MPOL_PREFERRED_MANY: 5,
  MPOL_WEIGHTED_INTERLEAVE: 6,
};

export const memoryFlags: Readonly<Record<MemoryPolicyFlag, number>> = {
  MPOL_F_STATIC_NODES: 1 << 15,
  MPOL_F_RELATIVE_NODES: 1 << 14,
  MPOL_F_NUMA_BALANCING: 1 << 13,
};

/** include/uapi/linux/personality.h. */
const PER_LINUX32 = 8n;

/** As many CPUs as any kernel can be built for (CONFIG_NR_CPUS). */
const everyCpu = 8192;

/** struct sched_attr with the utilisation clamps (SCHED_ATTR_SIZE_VER1), which the config has no values for. */
export function schedulerAttributes(scheduler: Scheduler): Uint8Array {
  const { policy, nice = 0, priority = 0, flags = [], runtime = 0, deadline = 0 } = scheduler;
  const size = 56;
  const view = new DataView(new ArrayBuffer(size));
  const bits = flags.reduce((sum, flag) => sum | schedulerFlags[flag], 0);
  view.setUint32(0, size, true);
  view.setUint32(4, policies[policy], true);
  view.setBigUint64(8, BigInt(bits), true);
  view.setInt32(16, nice, true);
  view.setUint32(20, priority, true);
  view.setBigUint64(24, BigInt(runtime), true);
  view.setBigUint64(32, BigInt(deadline), true);
  view.setBigUint64(40, BigInt(scheduler.period ?? 0), true);
  return new Uint8Array(view.buffer);
}

/** The value of ioprio_set(2). */
export function ioPriorityValue({ class: name, priority = 0 }: IoPriority): number {
  return (ioClasses[name] << ioClassShift) | priority;
}

/** A list as in cpuset(7), `0-3,7`, as a little-endian bit mask of whole 64-bit words. The list is well-formed. */
export function bitMask(list: string): Uint8Array {
  const ranges = list.split(",").map((range) => {
    const [first = "", last = first] = range.split("-");
    return [Number(first), Number(last)] as const;
  });
  const highest = ranges.reduce((most, [, last]) => Math.max(most, last), 0);
  const mask = new Uint8Array((Math.floor(highest / 64) + 1) * 8);
  for (const [first, last] of ranges) {
    for (let bit = first; bit <= last; bit++)
      mask[bit >> 3] = (mask[bit >> 3] ?? 0) | (1 << (bit & 7));
  }
  return mask;
}

/**
 * Undoes what the caller's own affinity would leave behind: the kernel takes every bit that the cgroup's cpuset and the
 * machine have (runc 1.3.1 does the same). Comes after the cgroup is joined.
 */
export function addAffinityReset(builder: PlanBuilder): void {
  const mask = new Uint8Array(everyCpu / 8).fill(0xff);
  builder.ops.push({ op: "affinity", mask, optional: 1 });
}

/** `execCPUAffinity.initial` or `.final`; absent or empty leaves what the kernel decided. */
export function addAffinity(builder: PlanBuilder, list: string | undefined): void {
  if (list === undefined || list === "") return;
  builder.ops.push({ op: "affinity", mask: bitMask(list), optional: 0 });
}

/**
 * Scheduler and I/O priority for a process that enters a user namespace: real-time classes need privileges that none
 * gives, so they are taken before. Not so what a fork would undo or refuse.
 */
export function addEarlyPriorities(builder: PlanBuilder, process: Process): void {
  const { scheduler, ioPriority } = process;
  if (scheduler !== undefined && survivesFork(scheduler)) addScheduler(builder, scheduler);
  if (ioPriority !== undefined) addIoPriority(builder, ioPriority);
}

/** The same where no user namespace is entered, and what was left out before one. */
export function addPriorities(builder: PlanBuilder, process: Process, inUser: boolean): void {
  const { scheduler, ioPriority } = process;
  if (scheduler !== undefined && !(inUser && survivesFork(scheduler))) {
    addScheduler(builder, scheduler);
  }
  if (ioPriority !== undefined && !inUser) addIoPriority(builder, ioPriority);
}

function survivesFork({ policy, flags = [] }: Scheduler): boolean {
  return policy !== "SCHED_DEADLINE" && !flags.includes("SCHED_FLAG_RESET_ON_FORK");
}

function addScheduler(builder: PlanBuilder, scheduler: Scheduler): void {
  builder.ops.push({ op: "scheduler", attributes: schedulerAttributes(scheduler) });
}

function addIoPriority(builder: PlanBuilder, ioPriority: IoPriority): void {
  builder.ops.push({ op: "ioPriority", value: ioPriorityValue(ioPriority) });
}

/** What the container says for all of its processes, exec's included: personality and NUMA policy. */
export function addContainerWide(builder: PlanBuilder, linux: Linux): void {
  const { personality, memoryPolicy } = linux;
  if (personality !== undefined) {
    builder.ops.push({
      op: "personality",
      value: personality.domain === "LINUX32" ? PER_LINUX32 : 0n,
    });
  }
  if (memoryPolicy !== undefined) addMemoryPolicy(builder, memoryPolicy);
}

function addMemoryPolicy(
  builder: PlanBuilder,
  { mode, nodes = "", flags = [] }: MemoryPolicy,
): void {
  builder.ops.push({
    op: "memoryPolicy",
    mode: flags.reduce((bits, flag) => bits | memoryFlags[flag], memoryModes[mode]),
    nodes: nodes === "" ? new Uint8Array() : bitMask(nodes),
  });
}
