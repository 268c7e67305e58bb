/** create and exec for a process that stays: it brings the stdio, and keeps the new process and its terminal. */
import { closeSync } from "node:fs";
import type { Process, Spec } from "../../schemas/generated/config.ts";
import type { CgroupManager } from "../cgroups/manager.ts";
import { bringUp } from "./bring-up.ts";
import type { Runtime } from "./context.ts";
import { launchExec, requireExecutable } from "./exec.ts";
import { withAffinity } from "./exec-process.ts";
import type { InitProcess } from "./init-session.ts";
import { openManaged } from "./managed.ts";
import { loadFrozenConfig, type StateFile } from "./store.ts";
import { checkTerminal, type TerminalKeeper } from "./terminal.ts";

/** A process that has been started; its fds are the caller's. */
export interface HostedProcess extends InitProcess {
  /** The terminal's master, -1 without one. Nobody has changed its size or modes. */
  readonly terminal: number;
}

/** What becomes 0, 1 and 2; -1 is /dev/null. They stay the caller's and are not used with a terminal. */
export type Stdio = readonly [number, number, number];

export interface HostedCreate {
  readonly id: string;
  /** Absolute. */
  readonly bundle: string;
  /** Of the bundle: loadSpec. */
  readonly spec: Spec;
  readonly pidFile: string;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  /** Does the caller expect a terminal? It has to be what the config says. */
  readonly terminal: boolean;
  readonly stdio: Stdio;
}

export interface HostedContainer {
  readonly init: HostedProcess;
  readonly state: StateFile;
  readonly cgroups: CgroupManager;
}

/** As `create`: the container waits at its gate for `start`. Throws as it does; nothing is left behind then. */
export async function createHosted(rt: Runtime, options: HostedCreate): Promise<HostedContainer> {
  const { spec, stdio } = options;
  // a console socket stands for a caller that takes the terminal
  const consoleSocket = options.terminal ? "containerd" : undefined;
  checkTerminal({ terminal: spec.process?.terminal === true, consoleSocket, detached: true });
  const terminal = keepTerminal();
  try {
    const mode = { gate: true, terminal, stdio };
    const { init, state, cgroups } = await bringUp(rt, { ...options, preserveFds: 0 }, mode, spec);
    return { init: { ...init, terminal: terminal.master() }, state, cgroups };
  } catch (error) {
    terminal.close();
    throw error;
  }
}

/**
 * As `exec` of a process document. On v2 the container must not be paused meanwhile: clone3(2) into a frozen cgroup
 * blocks this whole process.
 */
export async function execHosted(
  rt: Runtime,
  id: string,
  process: Process,
  stdio: Stdio,
): Promise<HostedProcess> {
  const container = openManaged(rt, id);
  requireExecutable(container, false);
  const spec = loadFrozenConfig(rt.root, id);
  const terminal = keepTerminal();
  const subject = {
    spec,
    process: withAffinity(spec, process),
    preserveFds: 0,
    cgroups: [],
    stdio,
  };
  const { pid, pidfd } = await launchExec(rt, container, subject, terminal);
  return { pid, pidfd, terminal: terminal.master() };
}

function keepTerminal(): TerminalKeeper {
  let held = -1;
  return {
    receive: (master) => {
      held = master;
    },
    master: () => held,
    close: () => {
      if (held >= 0) closeSync(held);
      held = -1;
    },
  };
}
