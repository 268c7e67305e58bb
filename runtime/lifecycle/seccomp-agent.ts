/** Hands the listener of SCMP_ACT_NOTIFY to the agent that the config names. */
import type { Spec } from "../../schemas/generated/config.ts";
import type { ContainerProcessState, State } from "../../schemas/generated/state.ts";
import { fail, wrap } from "../base/errors.ts";
import type { Runtime } from "./context.ts";
import { sendFd } from "./send-fd.ts";

/**
 * One message: the container process state (runtime-spec, config-linux), with the listener attached.
 * In: the listener, which stays the caller's; the process that has the filter, when it is not the container's own.
 */
export function sendListener(
  rt: Runtime,
  spec: Spec,
  state: State,
  listener: number,
  pid: number = state.pid ?? 0,
): void {
  const { listenerPath, listenerMetadata } = spec.linux?.seccomp ?? {};
  if (!listenerPath)
    throw fail("InvalidArgument", "linux.seccomp.listenerPath: required for SCMP_ACT_NOTIFY");
  const document: ContainerProcessState = {
    ociVersion: state.ociVersion,
    fds: ["seccompFd"],
    pid,
    ...(listenerMetadata === undefined ? {} : { metadata: listenerMetadata }),
    state,
  };
  try {
    sendFd(rt, listenerPath, listener, JSON.stringify(document));
  } catch (error) {
    throw wrap(error, { op: "send seccomp listener to", path: listenerPath });
  }
}
