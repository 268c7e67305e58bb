/** The messages of init, decoded (other half: native/init/message.c; diagram: runtime/README.md). */
import { closeSync } from "node:fs";
import { errnoName } from "../base/errno.ts";
import { errnoOf, fail, type RuntimeError } from "../base/errors.ts";
import type { Plan } from "../plan/plan.ts";
import type { Runtime } from "./context.ts";
import { initError } from "./init-error.ts";

export const messageType = {
  sync: 1,
  forked: 2,
  error: 3,
  console: 4,
  notify: 5,
  capability: 6,
  exec: 7,
  started: 8,
  trace: 9,
} as const;

/** type u32, index of the operation u32, error i32, value u32; text follows. */
const HEADER_SIZE = 16;

/** What init waits for after a sync point and at the gate; the number says nothing. */
export const answer: Uint8Array = new Uint8Array([1, 0, 0, 0]);

export interface Message {
  readonly type: number;
  readonly index: number;
  readonly error: number;
  readonly value: number;
  readonly text: string;
  /** Of console messages; whoever takes the message closes it. */
  readonly fd: number | undefined;
}

/**
 * Waits for the next message; undefined when init has closed its end. Init may be in a hostile container by now: a
 * damaged message is an error, and fds that nobody asked for are closed.
 */
export async function receiveMessage(rt: Runtime, socket: number): Promise<Message | undefined> {
  const native = rt.native();
  for (;;) {
    try {
      const { data, fds } = native.receive(socket);
      if (data !== undefined) return decode(data, fds);
      closeAll(fds);
      return undefined;
    } catch (error) {
      if (errnoOf(error) !== "EAGAIN") throw error;
    }
    await rt.waiter.wait([socket], -1);
  }
}

/** In: any bytes. @throws Internal; then all fds are closed. */
export function decode(data: Uint8Array, fds: readonly number[]): Message {
  if (data.length < HEADER_SIZE) {
    closeAll(fds);
    throw fail("Internal", "init sent a damaged message");
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const type = view.getUint32(0, true);
  const wanted = type === messageType.console ? 1 : 0;
  closeAll(fds.slice(wanted));
  return {
    type,
    index: view.getUint32(4, true),
    error: view.getInt32(8, true),
    value: view.getUint32(12, true),
    text: new TextDecoder().decode(data.subarray(HEADER_SIZE)),
    fd: wanted === 1 ? fds[0] : undefined,
  };
}

/** An error message as an error. In: the plan, where it is at hand (`start` has none). */
export function failureOf(plan: Plan | undefined, message: Message): RuntimeError {
  const [step = "", detail = ""] = message.text.split("\0");
  const errno = errnoName(message.error);
  return initError(plan, { index: message.index, errno, step, detail });
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) closeSync(fd);
}
