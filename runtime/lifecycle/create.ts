/** `create`: a container that waits at its gate for `start`. */
import { closeSync } from "node:fs";
import { loadSpec } from "../spec/load.ts";
import { bringUp, type CreateOptions } from "./bring-up.ts";
import type { Runtime } from "./context.ts";
import { checkTerminal, terminalKeeper } from "./terminal.ts";

export type { CreateOptions } from "./bring-up.ts";

/** @throws AlreadyExists, InvalidArgument for the config, or what the kernel refused; nothing is left behind then. */
export async function create(rt: Runtime, options: CreateOptions): Promise<void> {
  const spec = loadSpec(options.bundle, (text) => rt.log.warn(text));
  const { consoleSocket } = options;
  checkTerminal({ terminal: spec.process?.terminal === true, consoleSocket, detached: true });
  const terminal = terminalKeeper(rt, consoleSocket);
  const { init } = await bringUp(rt, options, { gate: true, terminal }, spec);
  closeSync(init.pidfd);
}
