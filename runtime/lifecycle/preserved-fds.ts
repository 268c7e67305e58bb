/** Extra fds that the container inherits: those of socket activation, then --preserve-fds. */
import { fail } from "../base/errors.ts";
import type { Runtime } from "./context.ts";

export interface InheritedFds {
  /** Numbers to keep open, from 3 on without a gap. */
  readonly fds: readonly number[];
  /** What tells the program of socket activation (sd_listen_fds(3)). */
  readonly env: readonly string[];
}

/**
 * In: the value of --preserve-fds.
 * @throws InvalidArgument naming the first fd that is not open.
 */
export function inheritedFds(rt: Runtime, preserve: number): InheritedFds {
  const listening = listenFds(rt.env);
  const fds: number[] = [];
  for (let fd = 3; fd < 3 + listening + preserve; fd++) {
    if (!rt.native().isInherited(fd)) {
      throw fail("InvalidArgument", `unable to preserve fd ${fd}: it is not open`);
    }
    fds.push(fd);
  }
  // the program is process 1 of its pid namespace, whatever number we have here
  return { fds, env: listening === 0 ? [] : [`LISTEN_FDS=${listening}`, "LISTEN_PID=1"] };
}

/** How many sockets a supervisor has passed to us; 0 when LISTEN_PID names another process. */
function listenFds({ LISTEN_FDS: count = "", LISTEN_PID: pid }: Runtime["env"]): number {
  return Number(pid) === process.pid && /^\d{1,4}$/.test(count) ? Number(count) : 0;
}
