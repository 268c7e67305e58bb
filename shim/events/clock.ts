/** The time that events carry: the wall clock's, finer than its milliseconds. */
import type { TimestampInit } from "../../schemas/generated/proto/wellknown.ts";

/** By how much the two clocks may differ before the wall clock must have been set. Milliseconds. */
const tolerance = 2;

/** Wall time at which performance.now() was 0, in milliseconds. */
let origin = 0;

/**
 * Now, with the microseconds of the monotonic clock below the milliseconds that Date has. Follows the wall clock when
 * that is set.
 */
export function now(): TimestampInit {
  const wall = Date.now();
  const running = performance.now();
  if (Math.abs(origin + running - wall) > tolerance) origin = wall - running;
  const nanoseconds = BigInt(Math.round((origin + running) * 1000)) * 1000n;
  return {
    seconds: Number(nanoseconds / 1_000_000_000n),
    nanos: Number(nanoseconds % 1_000_000_000n),
  };
}
