/** `resume`: lets a paused container continue. */
import { resume } from "../lifecycle/pause.ts";
import { defineCommand } from "./command.ts";
import { runtimeOf } from "./runtime.ts";

export const resumeCommand = defineCommand({
  name: "resume",
  usage: "<container-id>",
  description: "Thaws all processes of a paused container.",
  flags: [],
  minOperands: 1,
  maxOperands: 1,
  placement: "interspersed",
  run: async (invocation, _flags, [id = ""]) => {
    await resume(runtimeOf(invocation), id);
    return 0;
  },
});
