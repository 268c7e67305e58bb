/** `create`: sets up a container whose process waits for `start`. */
import { create } from "../lifecycle/create.ts";
import { defineCommand } from "./command.ts";
import { bundleDescription, createFlags, createOptions } from "./create-flags.ts";
import { prefixed } from "./failure.ts";
import { runtimeOf } from "./runtime.ts";

export const createCommand = defineCommand({
  name: "create",
  usage: "<container-id>",
  description: `Creates a container from a bundle; "tsrunc start" then runs its process.\n\n${bundleDescription}`,
  flags: createFlags,
  minOperands: 1,
  maxOperands: 1,
  placement: "interspersed",
  run: async (invocation, flags, [id = ""]) => {
    try {
      await create(runtimeOf(invocation), createOptions(id, flags));
    } catch (error) {
      throw prefixed(error, "tsrunc create failed", 1);
    }
    return 0;
  },
});
