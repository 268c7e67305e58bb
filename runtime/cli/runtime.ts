/** Makes the lifecycle's Runtime out of a command line. */
import { PLAN_ABI } from "../../schemas/generated/plan.ts";
import { blockingWaiter } from "../lifecycle/blocking-waiter.ts";
import type { Runtime } from "../lifecycle/context.ts";
import { loadNative } from "../native/binding.ts";
import type { Invocation } from "./command.ts";
import { rootlessMode, stateRoot } from "./global.ts";

/**
 * The Runtime that the global flags describe.
 * @throws InvalidArgument for a bad --root or --rootless.
 */
export function runtimeOf(invocation: Invocation): Runtime {
  const { globals, rootGiven, log } = invocation;
  const native = () => loadNative(PLAN_ABI);
  return {
    root: stateRoot(globals, rootGiven),
    rootGiven,
    systemdCgroup: globals["systemd-cgroup"] === true,
    rootless: rootlessMode(globals.rootless),
    debug: globals.debug === true,
    log,
    env: process.env,
    native,
    waiter: blockingWaiter(native),
  };
}
