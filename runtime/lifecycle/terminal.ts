/** Who gets the container's terminal: a console socket, or the caller's own terminal. */
import { closeSync } from "node:fs";
import { fail, wrap } from "../base/errors.ts";
import type { Runtime } from "./context.ts";
import { sendFd } from "./send-fd.ts";

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

/** Holds the master between its arrival and the foreground loop. */
export interface TerminalKeeper {
  /** Takes the fd over. */
  receive(master: number, name: string): void;
  /** -1 when it is elsewhere or there is none. */
  master(): number;
  close(): void;
}

/** In: the console socket that gets the terminal; undefined when it stays with us. */
export function terminalKeeper(rt: Runtime, consoleSocket: string | undefined): TerminalKeeper {
  let held = -1;
  return {
    receive: (master, name) => {
      if (consoleSocket) return sendTerminal(rt, consoleSocket, master, name);
      held = master;
      rt.native().prepareTerminal(master);
    },
    master: () => held,
    close: () => {
      if (held >= 0) closeSync(held);
      held = -1;
    },
  };
}

/** Hands the master to the owner of the console socket: one fd, the terminal's name as data. */
function sendTerminal(rt: Runtime, socket: string, master: number, name: string): void {
  try {
    sendFd(rt, socket, master, name);
  } catch (error) {
    throw wrap(error, { op: "send terminal to console socket", path: socket });
  } finally {
    closeSync(master);
  }
}
