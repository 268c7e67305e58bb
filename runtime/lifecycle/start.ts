/** `start`: opens the gate of a created container and waits until its program is executed. */
import { closeSync } from "node:fs";
import { fail } from "../base/errors.ts";
import type { Runtime } from "./context.ts";
import { awaitExec, passGate } from "./gate.ts";
import { runPoststart } from "./hooks.ts";
import { closeRelay, openRelay, relayUntilReady } from "./notify.ts";
import { type Container, loadManager, openContainer } from "./status.ts";
import { destroy, openProcess } from "./tear-down.ts";

/** @throws FailedPrecondition with runc's texts unless the container is created. */
export async function start(rt: Runtime, id: string): Promise<void> {
  const container = openContainer(rt, id);
  requireCreated(container);
  const { state } = container;
  const pidfd = openProcess(rt, state.pid, state.startTime);
  if (pidfd === undefined)
    throw fail("FailedPrecondition", "cannot start a container that has stopped");
  const relay = openRelay(rt, id);
  try {
    const connection = await passGate(rt, state);
    await awaitProgram(rt, container, connection);
    if (relay !== undefined) await relayUntilReady(rt, relay, { pid: state.pid, pidfd });
  } finally {
    closeRelay(relay);
    closeSync(pidfd);
  }
}

function requireCreated({ status }: Container): void {
  if (status === "created") return;
  const texts = {
    stopped: "cannot start a container that has stopped",
    paused: "cannot start a paused container",
    creating: "cannot start a container that is still being created",
    running: "cannot start an already running container",
  };
  throw fail("FailedPrecondition", texts[status]);
}

/** From here on we are the one who starts it, and a failure ends the container (runtime-spec, lifecycle). */
async function awaitProgram(rt: Runtime, { state }: Container, connection: number): Promise<void> {
  try {
    await awaitExec(rt, connection);
    await runPoststart(rt, state);
  } catch (error) {
    await destroy(rt, state, await loadManager(rt, state));
    throw error;
  } finally {
    closeSync(connection);
  }
}
