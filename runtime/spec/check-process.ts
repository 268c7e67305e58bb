/** Rules about a process, the container's own or one for exec. */
import type { Process } from "../../schemas/generated/config.ts";
import { isNumberList } from "./number-list.ts";
import { isRlimit } from "./rlimits.ts";
import { duplicate, quoted, type Rule } from "./rule.ts";

/** (uid_t) -1 and (gid_t) -1 mean "no change" to the kernel. */
const noId = 0xffffffff;

function badEnvironment({ env = [] }: Process): string | undefined {
  return quoted(env.find((entry) => entry.indexOf("=") <= 0));
}

function hasDeadline({ scheduler }: Process): boolean {
  return [scheduler?.runtime, scheduler?.deadline, scheduler?.period].some(
    (time) => Number(time ?? 0) > 0,
  );
}

/** No kernel can be built for more (CONFIG_NR_CPUS). */
const maximumCpus = 8192;

function badCpuList({ execCPUAffinity: { initial = "", final = "" } = {} }: Process) {
  if (initial !== "" && !isNumberList(initial, maximumCpus)) return `initial: "${initial}"`;
  return final !== "" && !isNumberList(final, maximumCpus) ? `final: "${final}"` : undefined;
}

export const processRules: readonly Rule<Process>[] = [
  { when: ({ cwd }) => cwd === "", message: () => "process.cwd: must not be empty" },
  {
    when: ({ cwd }) => !cwd.startsWith("/") && cwd,
    message: (what) => `process.cwd: "${what}" is not an absolute path`,
  },
  { when: ({ args = [] }) => args.length === 0, message: () => "process.args: must not be empty" },
  {
    when: badEnvironment,
    message: (what) => `process.env: ${what} is not of the form NAME=value`,
  },
  {
    when: ({ user = {} }) =>
      user.uid === noId || user.gid === noId || user.additionalGids?.includes(noId) === true,
    message: () => `process.user: ${noId} is not an id`,
  },
  {
    when: ({ rlimits }) => rlimits?.find(({ type }) => !isRlimit(type))?.type,
    message: (what) => `process.rlimits: ${what} is not known`,
  },
  {
    when: ({ rlimits }) => duplicate(rlimits?.map(({ type }) => type)),
    message: (what) => `process.rlimits: ${what} is listed twice`,
  },
  {
    when: ({ rlimits }) => rlimits?.find(({ soft, hard }) => soft > hard)?.type,
    message: (what) => `process.rlimits: the soft limit of ${what} is above the hard limit`,
  },
  {
    when: ({ oomScoreAdj = 0 }) => Math.abs(oomScoreAdj) > 1000 && String(oomScoreAdj),
    message: (what) => `process.oomScoreAdj: ${what} is not between -1000 and 1000`,
  },
  {
    when: ({ ioPriority: { priority = 0 } = {} }) =>
      (priority < 0 || priority > 7) && String(priority),
    message: (what) => `process.ioPriority.priority: ${what} is not between 0 and 7`,
  },
  {
    when: ({ scheduler: { nice = 0 } = {} }) => (nice < -20 || nice > 19) && String(nice),
    message: (what) => `process.scheduler.nice: ${what} is not between -20 and 19`,
  },
  {
    when: ({ scheduler }) =>
      Number(scheduler?.priority ?? 0) !== 0 && !/^SCHED_(FIFO|RR)$/.test(scheduler?.policy ?? ""),
    message: () => "process.scheduler.priority: only for SCHED_FIFO and SCHED_RR",
  },
  {
    when: (process) => process.scheduler?.policy !== "SCHED_DEADLINE" && hasDeadline(process),
    message: () => "process.scheduler: runtime, deadline and period are only for SCHED_DEADLINE",
  },
  {
    when: badCpuList,
    message: (what) => `process.execCPUAffinity.${what} is not a list of CPUs`,
  },
];
