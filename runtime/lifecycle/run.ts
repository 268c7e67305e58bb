/** `run`: create, start and, in the foreground, wait and delete. */
import { closeSync } from "node:fs";
import { describe } from "../base/errors.ts";
import { span } from "../base/trace.ts";
import { loadSpec } from "../spec/load.ts";
import { type BroughtUp, bringUp, type CreateOptions } from "./bring-up.ts";
import type { Runtime } from "./context.ts";
import { supervise } from "./foreground.ts";
import { runPoststart } from "./hooks.ts";
import { managerOf } from "./managed.ts";
import { closeRelay, relayUntilReady } from "./notify.ts";
import type { StateFile } from "./store.ts";
import { removeContainer } from "./tear-down.ts";
import { checkTerminal, type TerminalKeeper, terminalKeeper } from "./terminal.ts";

export interface RunOptions extends CreateOptions {
  readonly detach: boolean;
  /** Keep the container's state after it has ended. */
  readonly keep: boolean;
  readonly noSubreaper: boolean;
}

/** Out: the container's exit status (128 + signal), or 0 when detached. */
export async function run(rt: Runtime, options: RunOptions): Promise<number> {
  const spec = loadSpec(options.bundle, (text) => rt.log.warn(text));
  const { consoleSocket, detach } = options;
  checkTerminal({ terminal: spec.process?.terminal === true, consoleSocket, detached: detach });
  if (!detach && !options.noSubreaper) rt.native().setSubreaper(true);
  const terminal = terminalKeeper(rt, detach ? consoleSocket : undefined);
  let container: BroughtUp;
  try {
    const supervision = detach ? {} : { beforeProgram: () => rt.native().holdSignals() };
    container = await bringUp(rt, options, { gate: false, terminal, ...supervision }, spec);
  } catch (error) {
    terminal.close();
    throw error;
  }
  await afterStart(rt, container, terminal);
  return detach ? leave(rt, container) : stay(rt, container, terminal, options.keep);
}

/** A failing poststart hook ends the container (see runPoststart). */
async function afterStart(
  rt: Runtime,
  { state, init, relay }: BroughtUp,
  terminal: TerminalKeeper,
): Promise<void> {
  try {
    await runPoststart(rt, state);
  } catch (error) {
    terminal.close();
    closeRelay(relay);
    closeSync(init.pidfd);
    await removeOrWarn(rt, state);
    throw error;
  }
}

async function leave(rt: Runtime, { init, relay }: BroughtUp): Promise<number> {
  try {
    if (relay !== undefined) await relayUntilReady(rt, relay, init);
    return 0;
  } finally {
    closeRelay(relay);
    closeSync(init.pidfd);
  }
}

async function stay(
  rt: Runtime,
  { state, init, relay }: BroughtUp,
  terminal: TerminalKeeper,
  keep: boolean,
): Promise<number> {
  try {
    return supervise(rt, init, terminal, relay);
  } finally {
    if (!keep) await removeOrWarn(rt, state);
  }
}

/** What went wrong before, or the container's status, is what the caller has to hear. */
async function removeOrWarn(rt: Runtime, state: StateFile): Promise<void> {
  const removed = span("remove container");
  try {
    await removeContainer(rt, state, managerOf(rt, state));
    removed();
  } catch (error) {
    rt.log.warn(`cannot remove container ${state.id}: ${describe(error)}`);
  }
}
