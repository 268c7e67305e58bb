/** Attributes and propagation of a mount tree that a slot holds. */
import { MS } from "../spec/mount-flags.ts";
import type { PlanBuilder } from "./plan.ts";

/** In: MOUNT_ATTR_* bits to set and to clear. */
export function addAttribute(
  builder: PlanBuilder,
  slot: number,
  set: bigint,
  clear: bigint,
  recursive: boolean,
): void {
  builder.ops.push({
    op: "setMountAttributes",
    slot,
    set,
    clear,
    propagation: 0n,
    recursive: recursive ? 1 : 0,
  });
}

/** In: MS_SHARED and relatives, with MS_REC for the whole tree. */
export function addPropagation(builder: PlanBuilder, slot: number, flags: number): void {
  builder.ops.push({
    op: "setMountAttributes",
    slot,
    set: 0n,
    clear: 0n,
    propagation: BigInt(flags & ~MS.REC),
    recursive: (flags & MS.REC) !== 0 ? 1 : 0,
  });
}
