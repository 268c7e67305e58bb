/** `pause`: suspends all processes of a container. */
import { pause } from "../lifecycle/pause.ts";
import { defineCommand } from "./command.ts";
import { runtimeOf } from "./runtime.ts";

export const pauseCommand = defineCommand({
  name: "pause",
  usage: "<container-id>",
  description: 'Freezes all processes of the container until "tsrunc resume".',
  flags: [],
  minOperands: 1,
  maxOperands: 1,
  placement: "interspersed",
  run: async (invocation, _flags, [id = ""]) => {
    await pause(runtimeOf(invocation), id);
    return 0;
  },
});
