/** Tells the caller about a new process: the pid file and the pidfd socket of create, run and exec. */
import { wrap } from "../base/errors.ts";
import type { Runtime } from "./context.ts";
import type { InitProcess } from "./init-session.ts";
import { sendFd } from "./send-fd.ts";
import { writeAtomically } from "./store.ts";

export interface AnnounceOptions {
  /** --pid-file: digits only, no newline, whole or not at all (containerd reads it with strconv.Atoi). */
  readonly pidFile?: string;
  /** --pidfd-socket: the caller gets a pidfd of the new process. */
  readonly pidfdSocket?: string;
}

export function announce(rt: Runtime, options: AnnounceOptions, { pid, pidfd }: InitProcess): void {
  if (options.pidfdSocket) sendPidfd(rt, options.pidfdSocket, pidfd);
  if (options.pidFile) writeAtomically(options.pidFile, String(pid), 0o644);
}

function sendPidfd(rt: Runtime, socket: string, pidfd: number): void {
  try {
    sendFd(rt, socket, pidfd, "pidfd");
  } catch (error) {
    throw wrap(error, { op: "send pidfd to socket", path: socket });
  }
}
