/** `start`: lets the process of a created container run. */
import { start } from "../lifecycle/start.ts";
import { defineCommand } from "./command.ts";
import { runtimeOf } from "./runtime.ts";

export const startCommand = defineCommand({
  name: "start",
  usage: "<container-id>",
  description: "Starts the process that config.json named when the container was created.",
  flags: [],
  minOperands: 1,
  maxOperands: 1,
  placement: "interspersed",
  run: async (invocation, _flags, [id = ""]) => {
    await start(runtimeOf(invocation), id);
    return 0;
  },
});
