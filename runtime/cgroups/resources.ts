/**
 * The form in which limits travel from the config to the kernel: an ordered list of file writes.
 */

import type { Integer } from "../base/u64.ts";

/** One write to one cgroup file, with what is needed to explain its failure. */
export interface LimitWrite {
  /** v1: the hierarchy; v2: the controller that owns the file, for messages. */
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  /** Where in config.json it comes from: `linux.resources.memory.limit`. */
  readonly field: string;
  /**
   * Another file to write when `file` does not exist (the same limit of another scheduler or
   * kernel).
   */
  readonly otherwise?: { readonly file: string; readonly value: string };
  /** The limit is left out, with a warning where one is given, when no file for it exists. */
  readonly optional?: true | string;
  /**
   * An EINVAL may come from the order of interdependent files (period and quota, memory and
   * memory+swap): try again after the controller's other writes.
   */
  readonly retry?: true;
}

/** Limits as a list of writes, and what of the config has no effect here. */
export interface LimitPlan {
  readonly writes: readonly LimitWrite[];
  readonly warnings: readonly string[];
}

/**
 * Is a limit given? 0 is "not set" throughout linux.resources, as in runc and docker; -1 is "no
 * limit".
 */
export function isSet(value: Integer | null | undefined): value is Integer {
  return value !== undefined && value !== null && Number(value) !== 0;
}

/** Is a member present where 0 has a meaning of its own? */
export function isGiven<T>(value: T | null | undefined): value is T {
  return value !== undefined && value !== null;
}
