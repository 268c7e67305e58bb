/** The time that events carry: the wall clock's, finer than its milliseconds. */
import type { TimestampInit } from "../../schemas/generated/proto/wellknown.ts";

/** Wall time at which performance.now() was 0, in milliseconds, as well as it is known. */
let origin = 0;

/**
 * Now, with the microseconds of the monotonic clock in the millisecond that Date says: never before a Date that was
 * taken earlier, also when the clock has been set.
 */
export function now(): TimestampInit {
  const wall = Date.now();
  const running = performance.now();
  if (origin + running < wall) origin = wall - running;
  else if (origin + running >= wall + 1) origin = wall + 0.999 - running;
  const microseconds = Math.max(0, Math.min(999, Math.floor((origin + running - wall) * 1000)));
  const seconds = Math.floor(wall / 1000);
  return { seconds, nanos: ((wall - seconds * 1000) * 1000 + microseconds) * 1000 };
}
