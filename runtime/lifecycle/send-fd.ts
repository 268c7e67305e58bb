/** Hands an fd to whoever listens on a SOCK_STREAM socket: a terminal, a pidfd, a seccomp listener. */
import { closeSync } from "node:fs";
import type { Runtime } from "./context.ts";

/** One message with the text and the fd, which stays the caller's. Throws a system error. */
export function sendFd(rt: Runtime, socket: string, fd: number, text: string): void {
  const native = rt.native();
  const connection = native.connectStream(socket);
  try {
    native.send(connection, new TextEncoder().encode(text), [fd]);
  } finally {
    closeSync(connection);
  }
}
