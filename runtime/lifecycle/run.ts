/** `run`: create, start and, in the foreground, wait and delete. */
import { closeSync } from "node:fs";
import { loadSpec } from "../spec/load.ts";
import { type BroughtUp, bringUp, type CreateOptions } from "./bring-up.ts";
import type { Runtime } from "./context.ts";
import { hookState, runHooks } from "./hooks.ts";
import { managerOf } from "./status.ts";
import type { StateFile } from "./store.ts";
import { removeContainer } from "./tear-down.ts";
import { checkTerminal } from "./terminal.ts";

export interface RunOptions extends CreateOptions {
  readonly detach: boolean;
  /** Keep the container's state after it has ended. */
  readonly keep: boolean;
  readonly noSubreaper: boolean;
}

/** Out: the container's exit status (128 + signal), or 0 when detached. */
export async function run(rt: Runtime, options: RunOptions): Promise<number> {
  const spec = loadSpec(options.bundle, (text) => rt.log.warn(text));
  const terminal = spec.process?.terminal === true;
  checkTerminal({ terminal, consoleSocket: options.consoleSocket, detached: options.detach });
  if (!options.detach && !options.noSubreaper) rt.native().setSubreaper(true);
  let master = -1;
  const keepMaster = (fd: number) => {
    master = fd;
  };
  const mode = { gate: false, ...(options.detach ? {} : { terminal: keepMaster }) };
  const container = await bringUp(rt, options, mode, spec);
  const { state } = container;
  await afterStart(rt, state);
  if (options.detach) return 0;
  return supervise(rt, container, master, options.keep);
}

/** A failing poststart hook ends the container (runtime-spec, lifecycle step 10). */
async function afterStart(rt: Runtime, state: StateFile): Promise<void> {
  try {
    await runHooks(rt, "poststart", state.poststart, hookState(state, "running", state.pid));
  } catch (error) {
    await removeContainer(rt, state, managerOf(rt, state));
    throw error;
  }
}

async function supervise(
  rt: Runtime,
  { state, init }: BroughtUp,
  master: number,
  keep: boolean,
): Promise<number> {
  try {
    return rt.native().foreground({ pid: init.pid, pidfd: init.pidfd, masterFd: master });
  } finally {
    if (master >= 0) closeSync(master);
    if (!keep) await removeContainer(rt, state, managerOf(rt, state));
  }
}
