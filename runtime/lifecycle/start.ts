/** `start`: opens the gate of a created container and waits until its program is executed. */
import { closeSync, openSync } from "node:fs";
import { errnoOf, fail, wrap } from "../base/errors.ts";
import type { Runtime } from "./context.ts";
import { hookState, runHooks, stateMemory } from "./hooks.ts";
import { awaitExec } from "./init-session.ts";
import { openContainer } from "./status.ts";
import { containerDir, gateName, removeGate, type StateFile } from "./store.ts";
import { destroy } from "./tear-down.ts";

const go = new Uint8Array([1, 0, 0, 0]);

/** @throws FailedPrecondition with runc's texts unless the container is created. */
export async function start(rt: Runtime, id: string): Promise<void> {
  const { state, status, cgroups } = openContainer(rt, id);
  if (status === "stopped")
    throw fail("FailedPrecondition", "cannot start a container that has stopped");
  if (status === "paused") throw fail("FailedPrecondition", "cannot start a paused container");
  if (status !== "created") {
    throw fail("FailedPrecondition", "cannot start an already running container");
  }
  const connection = connectGate(rt, id);
  try {
    removeGate(rt.root, id);
    openGate(rt, state, connection);
    await awaitExec(rt, connection);
    await runHooks(rt, "poststart", state.poststart, hookState(state, "running", state.pid));
  } catch (error) {
    // a container whose start failed has ended (runtime-spec, lifecycle); delete still finds it
    await destroy(rt, state, cgroups);
    throw error;
  } finally {
    closeSync(connection);
  }
}

function connectGate(rt: Runtime, id: string): number {
  const dir = openSync(containerDir(rt.root, id), "r");
  try {
    return rt.native().connectAt(dir, gateName);
  } catch (error) {
    const errno = errnoOf(error);
    // two callers started it at once, or an earlier one was killed before it had removed the socket
    if (errno === "ECONNREFUSED" || errno === "ENOENT") {
      removeGate(rt.root, id);
      throw fail("FailedPrecondition", "cannot start an already running container");
    }
    throw wrap(error, { op: "connect to container init" });
  } finally {
    closeSync(dir);
  }
}

/** Says go; init passes the state on to startContainer hooks. */
function openGate(rt: Runtime, state: StateFile, connection: number): void {
  const memory = state.hasStartHooks ? stateMemory(rt, hookState(state, "created", state.pid)) : -1;
  try {
    rt.native().send(connection, go, memory >= 0 ? [memory] : []);
  } finally {
    if (memory >= 0) closeSync(memory);
  }
}
