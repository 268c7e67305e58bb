/** Who gets the container's terminal: a console socket, or the caller's own terminal. */
import { closeSync } from "node:fs";
import { fail, wrap } from "../base/errors.ts";
import type { Runtime } from "./context.ts";

export interface TerminalOptions {
  readonly terminal: boolean;
  readonly consoleSocket: string | undefined;
  /** Nobody of ours stays to copy a terminal's bytes. */
  readonly detached: boolean;
}

/** Refuses combinations in which the terminal would have no owner, with runc's texts. */
export function checkTerminal({ terminal, consoleSocket, detached }: TerminalOptions): void {
  const hasSocket = consoleSocket !== undefined && consoleSocket !== "";
  if (terminal && detached && !hasSocket) {
    throw fail(
      "InvalidArgument",
      "cannot allocate tty if tsrunc will detach without setting console socket",
    );
  }
  if (hasSocket && !(terminal && detached)) {
    throw fail(
      "InvalidArgument",
      "cannot use console socket if tsrunc will not detach or allocate tty",
    );
  }
}

/** Hands the master to the owner of the console socket: one fd, the terminal's name as data. */
export function sendTerminal(rt: Runtime, socket: string, master: number, name: string): void {
  try {
    sendFd(rt, socket, master, name);
  } catch (error) {
    throw wrap(error, { op: "send terminal to console socket", path: socket });
  } finally {
    closeSync(master);
  }
}

/** --pidfd-socket: the caller gets a pidfd of the new process. */
export function sendPidfd(rt: Runtime, socket: string, pidfd: number): void {
  try {
    sendFd(rt, socket, pidfd, "pidfd");
  } catch (error) {
    throw wrap(error, { op: "send pidfd to socket", path: socket });
  }
}

function sendFd(rt: Runtime, socket: string, fd: number, text: string): void {
  const native = rt.native();
  const connection = native.connectStream(socket);
  try {
    native.send(connection, new TextEncoder().encode(text), [fd]);
  } finally {
    closeSync(connection);
  }
}
