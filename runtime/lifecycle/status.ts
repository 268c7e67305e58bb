/** What a container is doing now, and which verbs that allows. */
import { fail } from "../base/errors.ts";
import { checkContainerId } from "../base/ids.ts";
import { isFrozen } from "../cgroups/freezer.ts";
import type { CgroupManager } from "../cgroups/manager.ts";
import { isAlive, liveProcess, type ProcessStat } from "../host/process-stat.ts";
import type { Runtime } from "./context.ts";
import { gateExists, loadState, type StateFile } from "./store.ts";

/** What init calls itself until it executes the program (native/init/main.c). */
const initName = "tsrunc:init";

export type Status = "creating" | "created" | "running" | "paused" | "stopped";

export interface Container {
  readonly state: StateFile;
  readonly status: Status;
}

/**
 * Opens a container by id.
 * @throws InvalidArgument for an id that no container can have, NotFound ("container does not exist").
 */
export function openContainer(rt: Runtime, id: string): Container {
  checkContainerId(id);
  const state = loadState(rt.root, id);
  return { state, status: statusOf(rt, state) };
}

/** The manager of a container's cgroups, loaded now: 0.2 ms that most calls of `start` and `kill` do without. */
export async function loadManager(
  rt: Runtime,
  { cgroups }: StateFile,
): Promise<CgroupManager | undefined> {
  if (cgroups === undefined) return undefined;
  const { cgroupsFromPaths } = await import("../cgroups/open.ts");
  return cgroupsFromPaths(cgroups.mode, cgroups.paths, rt.native);
}

function statusOf(rt: Runtime, state: StateFile): Status {
  if (state.phase === "creating") {
    const { pid, startTime } = state.creator;
    return isAlive(pid, startTime) ? "creating" : "stopped";
  }
  const init = liveProcess(state.pid, state.startTime);
  if (init === undefined) return "stopped";
  const { cgroups } = state;
  if (cgroups !== undefined && isFrozen(cgroups.mode, cgroups.paths)) return "paused";
  return isBehindGate(rt, state, init) ? "created" : "running";
}

/** A `start` that was killed may have left the gate, but then init has become the program. */
function isBehindGate(rt: Runtime, { id }: StateFile, { name }: ProcessStat): boolean {
  return name === initName && gateExists(rt.root, id);
}

/** Throws runc's text for a verb that needs a live container. */
export function requireAlive({ status }: Container): void {
  if (status === "stopped" || status === "creating") {
    throw fail("FailedPrecondition", "container not running");
  }
}
