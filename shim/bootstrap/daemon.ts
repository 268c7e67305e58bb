/** The daemon's own command line, which `start` has made: checked, and given to what serves. */
import { writeFileSync } from "node:fs";
import { fail } from "../../runtime/base/errors.ts";
import { serve } from "../serve.ts";
import { checkNamespace, type Flags } from "./flags.ts";

/** The listening socket, put there by `start`. */
const listenerFd = 3;

/** Serves until the end; out: the exit status. */
export async function daemon(flags: Flags, action: string): Promise<number> {
  if (action !== "") throw fail("InvalidArgument", `unknown action ${action}`);
  checkNamespace(flags.namespace);
  // what process lists show: the name of all shims, not that of our executable
  writeFileSync("/proc/self/comm", "containerd-shim");
  return serve({
    namespace: flags.namespace,
    id: flags.id,
    listener: listenerFd,
    socketPath: flags.socket,
    transport: flags.transport === "grpc" ? "grpc" : "ttrpc",
    containerdAddress: flags.address,
    eventsAddress: process.env["TTRPC_ADDRESS"] ?? "",
    debug: flags.debug,
  });
}
