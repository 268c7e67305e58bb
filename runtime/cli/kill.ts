/** `kill`: sends a signal to a container's init process. */
import { parseSignal } from "../base/signals.ts";
import { kill } from "../lifecycle/kill.ts";
import { defineCommand } from "./command.ts";
import { runtimeOf } from "./runtime.ts";

export const killCommand = defineCommand({
  name: "kill",
  usage: "<container-id> [signal]",
  description: `Sends a signal to the init process of the container: a number, or a name with or without SIG,
such as "tsrunc kill c1 KILL". The default is SIGTERM.`,
  flags: [
    // Obsolete in runc, still passed by callers: the signal goes to all processes, a stopped container is no error.
    { name: "all", short: "a", kind: "bool", help: "" },
  ],
  minOperands: 1,
  maxOperands: 2,
  placement: "interspersed",
  run: async (invocation, flags, [id = "", name = ""]) => {
    const signal = parseSignal(name === "" ? "SIGTERM" : name);
    await kill(runtimeOf(invocation), id, signal, flags.all === true);
    return 0;
  },
});
