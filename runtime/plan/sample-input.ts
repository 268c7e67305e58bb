/** Inputs for tests of plans: a small container, changed by what a test is about. */
import type { Linux, Process, Spec } from "../../schemas/generated/config.ts";
import type { CreatePlanInput } from "./create.ts";
import { describeOp } from "./describe.ts";
import type { Plan } from "./plan.ts";

export const sampleProcess: Process = { cwd: "/", args: ["sh"], env: ["PATH=/bin", "HOME=/root"] };

/** Private pid, mount and uts namespaces, nothing else. */
export function sampleSpec(more: Partial<Spec> = {}, linux: Partial<Linux> = {}): Spec {
  return {
    ociVersion: "1.2.0",
    root: { path: "rootfs" },
    process: sampleProcess,
    linux: { namespaces: [{ type: "pid" }, { type: "mount" }, { type: "uts" }], ...linux },
    ...more,
  };
}

export function sampleInput(spec: Spec, more: Partial<CreatePlanInput> = {}): CreatePlanInput {
  return {
    id: "c1",
    spec,
    bundle: "/bundle",
    rootfs: "/bundle/rootfs",
    joins: [],
    cgroupFds: [],
    cgroupMounts: { mode: "v2", hierarchies: [], namespaced: true },
    seccomp: undefined,
    labels: {},
    noPivot: false,
    newKeyring: false,
    inherited: { fds: [], env: [] },
    gateFd: -1,
    rootfsMountPoint: undefined,
    hasKcore: false,
    privileged: true,
    setGroupsDenied: false,
    ...more,
  };
}

/** The names of a plan's operations in order. */
export function names({ ops }: Plan): string[] {
  return ops.map(({ op }) => op);
}

/** A plan as people read it: `attach: mount proc on /proc`. */
export function readable(plan: Plan): string[] {
  return plan.ops.map(({ op }, index) => `${op}: ${describeOp(plan, index)}`);
}
