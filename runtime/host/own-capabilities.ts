/** Which capabilities this process can give away (capabilities(7)). */
import { readFileSync } from "node:fs";

/** The bounding set of the runtime itself; all ones where it cannot be read. */
export function ownBoundingSet(): bigint {
  const line = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"));
  return line === null ? ~0n : BigInt(`0x${line[1]}`);
}
