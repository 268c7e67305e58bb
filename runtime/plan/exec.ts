/** The ordered list of operations for one more process in a container. */
import type { Linux, Process } from "../../schemas/generated/config.ts";
import { addKeyLabel, addLabels, type Labels } from "./labels.ts";
import { newPlanBuilder, type Plan, syncPoint } from "./plan.ts";
import {
  addCredentials,
  addEarlyLimits,
  addExecution,
  addFilter,
  addHome,
  addKeyring,
  addLookUp,
  addOomScore,
  addSeal,
  type ProcessInput,
  type SeccompFilter,
} from "./process.ts";
import {
  addAffinity,
  addAffinityReset,
  addContainerWide,
  addEarlyPriorities,
  addPriorities,
} from "./scheduling.ts";

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
  const processInput: ProcessInput = {
    process,
    seccomp: input.seccomp,
    setGroupsDenied: input.setGroupsDenied,
    inherited: input.inherited,
    keyring: input.joinKeyring ? { name: `_ses.${input.containerId}`, create: false } : undefined,
  };
  ops.push({ op: "setDumpable", value: 0 });
  const { execCPUAffinity: affinity } = process;
  addAffinity(builder, affinity?.initial);
  for (const { fd, path } of input.cgroupFds) ops.push({ op: "joinCgroup", fd, path });
  if (affinity === undefined) addAffinityReset(builder);
  addAffinity(builder, affinity?.final);
  addOomScore(builder, process);
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
  addKeyLabel(builder, input.labels);
  addKeyring(builder, processInput);
  addLabels(builder, input.labels);
  addHome(builder, process);
  addPriorities(builder, process, input.inUserNamespace);
  addContainerWide(builder, input.linux);
  addCredentials(builder, processInput);
  addSeal(builder, processInput, -1);
  addLookUp(builder, process);
  addFilter(builder, processInput, "before ready");
  ops.push({ op: "sync", point: syncPoint.ready });
  addFilter(builder, processInput, "before program");
  addExecution(builder, processInput);
  return { ops, cloneFlags: 0, forks: true, slots: [] };
}
