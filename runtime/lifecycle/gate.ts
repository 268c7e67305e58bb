/** The gate: a socket on which the init of a created container waits to be started. */
import { closeSync, openSync } from "node:fs";
import { errnoOf, fail, type RuntimeError, wrap } from "../base/errors.ts";
import { isAlive } from "../host/process-stat.ts";
import type { Runtime } from "./context.ts";
import { hookState, stateMemory } from "./hooks.ts";
import { answer, failureOf, messageType, receiveMessage } from "./init-message.ts";
import { containerDir, gateName, removeGate, type StateFile } from "./store.ts";

/** The listening socket that init gets; the caller closes its own copy. */
export function makeGate(rt: Runtime, id: string): number {
  return inDirectory(rt, id, (dir) => rt.native().listenAt(dir, gateName));
}

/**
 * Passes the gate. Of several callers at once init lets one through; it says so, and only then the gate is removed:
 * a caller that is killed before leaves a container that can still be started.
 * @returns the connection, on which awaitExec listens.
 * @throws FailedPrecondition with runc's text when somebody else was first or init is gone.
 */
export async function passGate(rt: Runtime, state: StateFile): Promise<number> {
  const connection = connect(rt, state);
  try {
    say(rt, state, connection);
    const message = await receiveMessage(rt, connection);
    if (message === undefined) throw notLetIn(rt, state);
    if (message.type === messageType.error) throw failureOf(undefined, message);
    removeGate(rt.root, state.id);
    return connection;
  } catch (error) {
    closeSync(connection);
    throw error;
  }
}

/** Waits until the program is executed. @throws what init reports instead. */
export async function awaitExec(rt: Runtime, connection: number): Promise<void> {
  let executing = false;
  for (;;) {
    const message = await receiveMessage(rt, connection);
    if (message === undefined) break;
    if (message.type === messageType.error) throw failureOf(undefined, message);
    if (message.type === messageType.exec) executing = true;
  }
  if (!executing)
    throw fail("FailedPrecondition", "container init ended before its program was executed");
}

/** Says go, and brings the state that init passes on to startContainer hooks. */
function say(rt: Runtime, state: StateFile, connection: number): void {
  const memory = state.hasStartHooks ? stateMemory(rt, hookState(state, "created", state.pid)) : -1;
  try {
    rt.native().send(connection, answer, memory >= 0 ? [memory] : []);
  } catch (error) {
    const errno = errnoOf(error);
    throw errno === "EPIPE" || errno === "ECONNRESET" ? notLetIn(rt, state) : error;
  } finally {
    if (memory >= 0) closeSync(memory);
  }
}

function connect(rt: Runtime, state: StateFile): number {
  try {
    return inDirectory(rt, state.id, (dir) => rt.native().connectAt(dir, gateName));
  } catch (error) {
    const errno = errnoOf(error);
    // nobody listens any more; a `start` that was killed may have left the socket's file
    if (errno === "ECONNREFUSED" || errno === "ENOENT") throw notLetIn(rt, state);
    throw wrap(error, { op: "connect to container init" });
  }
}

function notLetIn(rt: Runtime, { pid, startTime, id }: StateFile): RuntimeError {
  if (!isAlive(pid, startTime)) {
    return fail("FailedPrecondition", "cannot start a container that has stopped");
  }
  removeGate(rt.root, id);
  return fail("FailedPrecondition", "cannot start an already running container");
}

function inDirectory<T>(rt: Runtime, id: string, work: (dir: number) => T): T {
  const dir = openSync(containerDir(rt.root, id), "r");
  try {
    return work(dir);
  } finally {
    closeSync(dir);
  }
}
