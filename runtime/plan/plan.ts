/** What a plan is before it is encoded, and how its operations are collected. */
import type { Op } from "../../schemas/generated/plan.ts";

/** The ordered operations of one new process, and what its first clone needs. */
export interface Plan {
  readonly ops: readonly Op[];
  /** CLONE_NEW* bits for the very first clone; 0 when the plan forks itself. */
  readonly cloneFlags: number;
  /** The pid that counts is reported by a fork operation, not by spawn. */
  readonly forks: boolean;
  /** What each slot holds, for error messages: `mount proc on /proc`. */
  readonly slots: readonly string[];
}

/** Where the parent takes part: what it does at each point is in lifecycle/init-session.ts. */
export const syncPoint = {
  /** The user namespace exists: write uid_map and gid_map. */
  mapIds: 1,
  /** Mounts are made, the old root is still there: prestart and createRuntime hooks. */
  runtimeHooks: 2,
  /** All is set up but for the program itself: the state may say `created`. */
  ready: 3,
} as const;

/** Collects operations in order; later steps never reorder earlier ones. */
export interface PlanBuilder {
  readonly ops: Op[];
  readonly slots: string[];
}

export function newPlanBuilder(): PlanBuilder {
  return { ops: [], slots: [] };
}

/** Reserves a slot for a mount tree. In: its description for errors. Out: the slot's number. */
export function takeSlot(builder: PlanBuilder, about: string): number {
  builder.slots.push(about);
  return builder.slots.length - 1;
}
