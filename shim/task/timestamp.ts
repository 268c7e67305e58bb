/** Points in time as containerd reads them. */
import type { TimestampInit } from "../../schemas/generated/proto/wellknown.ts";

/** Go's zero time, 1 January of year 1: an absent time would be read as 1970. */
const goZeroSeconds = -62135596800;

export function timestamp(time: Date | undefined): TimestampInit {
  if (time === undefined) return { seconds: goZeroSeconds };
  const milliseconds = time.getTime();
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanos: (milliseconds - seconds * 1000) * 1_000_000 };
}
