/** `delete`: removes a stopped container, with force any. */
import { describe, fail, RuntimeError } from "../base/errors.ts";
import { checkContainerId } from "../base/ids.ts";
import type { Runtime } from "./context.ts";
import { type ManagedContainer, openManaged } from "./managed.ts";
import { hasDir, removeDir } from "./store.ts";
import { removeContainer } from "./tear-down.ts";

/**
 * With force an unknown id is fine, and a running or created container is killed first.
 * Without, only a stopped one can be deleted (runtime-spec, operations: delete).
 */
export async function remove(rt: Runtime, id: string, force: boolean): Promise<void> {
  checkContainerId(id);
  let container: ManagedContainer;
  try {
    container = openManaged(rt, id);
  } catch (error) {
    if (!force || !(error instanceof RuntimeError)) throw error;
    // a creator killed before it had written the state has made nothing else
    if (error.code !== "NotFound") {
      rt.log.warn(`${describe(error)}: cgroups and processes, if any, are left`);
    }
    if (hasDir(rt.root, id)) removeDir(rt.root, id);
    return;
  }
  const { state, status, cgroups } = container;
  if (status !== "stopped" && !force) {
    throw fail(
      "FailedPrecondition",
      `cannot delete container ${id} that is not stopped: ${status}`,
    );
  }
  await removeContainer(rt, state, cgroups);
}
