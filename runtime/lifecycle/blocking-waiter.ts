/** The waiter of the CLI: it has nothing else to do, so it blocks in poll(2). */
import type { NativeBinding } from "../native/binding.ts";
import type { Waiter } from "./context.ts";

/**
 * A waiter that blocks the whole process. Never for the shim: one container's slow hook would stop all others.
 * @param native opens the addon; called at the first wait.
 */
export function blockingWaiter(native: () => NativeBinding): Waiter {
  return {
    wait: async (fds, timeoutMs) => native().poll(fds, timeoutMs),
  };
}
