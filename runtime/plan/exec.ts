/** The ordered list of operations for one more process in a container. */
import type { Linux, Process } from "../../schemas/generated/config.ts";
import type { Labels } from "./labels.ts";
import { newPlanBuilder, type Plan } from "./plan.ts";
import {
  addEarlyLimits,
  addExecution,
  addFilter,
  addOomScore,
  type ProcessInput,
  type SeccompFilter,
} from "./process.ts";
import { addProgram, type ProgramInput } from "./program.ts";
import { addAffinity, addAffinityReset, addEarlyPriorities } from "./scheduling.ts";

export interface ExecPlanInput {
  readonly process: Process;
  /** The container's own. */
  readonly linux: Linux;
  readonly labels: Labels;
  readonly containerId: string;
  /** pidfd of the container's init. */
  readonly initPidfd: number;
  /** Namespaces in which init and the caller differ, CLONE_NEW* bits. */
  readonly namespaceFlags: number;
  /** The caller is root. */
  readonly privileged: boolean;
  /** The container has a user namespace. */
  readonly inUserNamespace: boolean;
  readonly setGroupsDenied: boolean;
  /**
   * Init's root as the caller reaches it (`/proc/PID/root`). setns(2) leads to the mount namespace's own root, which is
   * the host's when the caller of create was in a chroot. Undefined for an unprivileged caller, who may not open it.
   */
  readonly initRoot: string | undefined;
  readonly cgroupFds: readonly { readonly fd: number; readonly path: string }[];
  readonly seccomp: SeccompFilter | undefined;
  readonly joinKeyring: boolean;
  readonly inherited: ProcessInput["inherited"];
}

/** Pure: (process, opened fds, options) -> operations. */
export function buildExecPlan(input: ExecPlanInput): Plan {
  const builder = newPlanBuilder();
  const { ops } = builder;
  const { process } = input;
  const program: ProgramInput = {
    process,
    linux: input.linux,
    seccomp: input.seccomp,
    labels: input.labels,
    inUserNamespace: input.inUserNamespace,
    setGroupsDenied: input.setGroupsDenied,
    inherited: input.inherited,
    gateFd: -1,
    keyring: input.joinKeyring ? { name: `_ses.${input.containerId}`, create: false } : undefined,
  };
  ops.push({ op: "setDumpable", value: 0 });
  const { execCPUAffinity: affinity } = process;
  addAffinity(builder, affinity?.initial);
  for (const { fd, path } of input.cgroupFds) ops.push({ op: "joinCgroup", fd, path });
  if (affinity === undefined) addAffinityReset(builder);
  addAffinity(builder, affinity?.final);
  addOomScore(builder, process, input.privileged);
  addEarlyLimits(builder, process);
  if (input.inUserNamespace) addEarlyPriorities(builder, process);
  if (input.initRoot !== undefined) ops.push({ op: "openRoot", path: input.initRoot });
  if (input.namespaceFlags !== 0) {
    ops.push({ op: "joinProcess", fd: input.initPidfd, flags: input.namespaceFlags });
  }
  // a joined pid namespace holds children only
  ops.push({ op: "fork", flags: 0 });
  if (input.inUserNamespace) {
    ops.push({ op: "setIds", uid: 0, gid: 0, groups: new Uint8Array(), setGroups: 0 });
  }
  ops.push({ op: "newSession" });
  if (input.initRoot === undefined) ops.push({ op: "openRoot", path: "/" });
  else ops.push({ op: "chroot" });
  if (process.terminal === true) {
    const { height = 0, width = 0 } = process.consoleSize ?? {};
    ops.push({
      op: "console",
      rows: height,
      columns: width,
      uid: process.user?.uid ?? 0,
      mount: 0,
    });
  }
  addProgram(builder, program);
  addFilter(builder, program, "before program");
  addExecution(builder, program);
  return { ops, cloneFlags: 0, forks: true, slots: [] };
}
