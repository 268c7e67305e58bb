/** `kill`: a signal for the container's init, or for everything in it. */
import { closeSync } from "node:fs";
import { errnoOf, fail, wrap } from "../base/errors.ts";
import type { Runtime } from "./context.ts";
import { type Container, loadManager, openContainer, requireAlive } from "./status.ts";
import { openProcess } from "./tear-down.ts";

const SIGKILL = 9;

/** @throws FailedPrecondition "container not running", except for --all, which then has nothing to do. */
export async function kill(rt: Runtime, id: string, signal: number, all: boolean): Promise<void> {
  const container = openContainer(rt, id);
  const { state, status } = container;
  const ending = signal === SIGKILL;
  const needsCgroups = all || (ending && (state.sharesPidNamespace || status === "paused"));
  const cgroups = needsCgroups ? await loadManager(rt, state) : undefined;
  if (all) {
    if (cgroups?.exists() === true) cgroups.signalAll(signal);
    else if (status !== "stopped") signalInit(rt, container, signal);
  } else {
    requireAlive(container);
    signalInit(rt, container, signal);
    // nothing else ends init's children when they share the host's pid namespace
    if (ending && state.sharesPidNamespace) cgroups?.signalAll(SIGKILL);
  }
  // a frozen process dies only when it is thawed
  if (ending && status === "paused") cgroups?.thaw();
}

function signalInit(rt: Runtime, { state }: Container, signal: number): void {
  const pidfd = openProcess(rt, state.pid, state.startTime);
  if (pidfd === undefined) throw fail("FailedPrecondition", "container not running");
  try {
    rt.native().signalPidfd(pidfd, signal);
  } catch (error) {
    if (errnoOf(error) === "ESRCH") throw fail("FailedPrecondition", "container not running");
    throw wrap(error, { op: `signal container with ${signal}` });
  } finally {
    closeSync(pidfd);
  }
}
