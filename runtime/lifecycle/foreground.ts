/** The foreground of `run` and `exec`: signals, terminal and exit status of the new process are ours. */
import { closeSync } from "node:fs";
import { span } from "../base/trace.ts";
import type { Runtime } from "./context.ts";
import type { InitProcess } from "./init-session.ts";
import { closeRelay, type NotifyRelay, sendMainPid } from "./notify.ts";
import type { TerminalKeeper } from "./terminal.ts";

/** Blocks until the process ends; closes all fds that it is given. Out: the exit status (128 + signal). */
export function supervise(
  rt: Runtime,
  { pid, pidfd }: InitProcess,
  terminal: TerminalKeeper,
  relay?: NotifyRelay,
): number {
  try {
    // the manager's main process is the one that it started, or stays so
    if (relay !== undefined) sendMainPid(rt, relay.host, process.pid);
    const ended = span("wait for the program");
    const status = rt.native().foreground({
      pid,
      pidfd,
      masterFd: terminal.master(),
      ...(relay === undefined ? {} : { notify: [relay.socket, relay.host] as const }),
    });
    ended();
    return status;
  } finally {
    terminal.close();
    closeSync(pidfd);
    closeRelay(relay);
  }
}
