/** Holds the exit of a process back for a moment, for clients that are slower than it. */
import { within } from "./within.ts";

/**
 * More is for those whose client has gone, and who need not be told soon; less does not help under load. Milliseconds.
 */
const LIMIT_MS = 100;

/**
 * Waits until a client has read all output, a tenth of a second at most. A client that hears of the exit first may
 * give up a fifo whose open(2) has not returned to it yet, and what is in it is lost: containerd's own does
 * (containerd/containerd#1940), and a process that ends within a few milliseconds gives it no time.
 * @param moved until when output is still on its way into the fifo
 * @param unread whether the fifo holds something
 */
export async function taken(moved: Promise<unknown>, unread: () => boolean): Promise<void> {
  const end = Date.now() + LIMIT_MS;
  if (!(await within(moved, LIMIT_MS))) return;
  for (let pause = 1; unread(); pause *= 2) {
    const left = end - Date.now();
    if (left <= 0) return;
    await new Promise((resolve) => setTimeout(resolve, Math.min(pause, left)));
  }
}
