/** What the running kernel offers, read from /proc. */
import { readFileSync } from "node:fs";
import { wrap } from "../base/errors.ts";

/**
 * The number of the highest capability that the kernel knows (capabilities(7), /proc/sys/kernel/cap_last_cap).
 * @throws when /proc cannot be read.
 */
export function lastCapability(): number {
  const path = "/proc/sys/kernel/cap_last_cap";
  try {
    return Number.parseInt(readFileSync(path, "utf8"), 10);
  } catch (error) {
    throw wrap(error, { op: "read", path });
  }
}
