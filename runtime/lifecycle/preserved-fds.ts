/** Extra fds that the container inherits: socket activation's, then --preserve-fds. */
import { fail } from "../base/errors.ts";
import type { Runtime } from "./context.ts";

/**
 * Numbers of the fds to keep open, from 3 on.
 * @throws InvalidArgument naming the first that is not open.
 */
export function preservedFds(rt: Runtime, count: number): number[] {
  const fds: number[] = [];
  for (let fd = 3; fd < 3 + count; fd++) {
    if (!rt.native().isOpen(fd)) {
      throw fail("InvalidArgument", `unable to preserve fd ${fd}: it is not open`);
    }
    fds.push(fd);
  }
  return fds;
}
