/** `run`: create and start in one, by default staying in the foreground until the process ends. */
import { run } from "../lifecycle/run.ts";
import { defineCommand } from "./command.ts";
import { bundleDescription, createFlags, createOptions } from "./create-flags.ts";
import { prefixed } from "./failure.ts";
import { runtimeOf } from "./runtime.ts";

export const runCommand = defineCommand({
  name: "run",
  usage: "<container-id>",
  description: `Creates a container from a bundle, starts it, and ends with its exit status.\n\n${bundleDescription}`,
  flags: [
    ...createFlags,
    { name: "detach", short: "d", kind: "bool", help: "do not wait for the container's process" },
    { name: "keep", kind: "bool", help: "do not delete the container after it has ended" },
    {
      name: "no-subreaper",
      kind: "bool",
      help: "do not adopt and reap the container's orphaned processes",
    },
  ],
  minOperands: 1,
  maxOperands: 1,
  placement: "interspersed",
  run: async (invocation, flags, [id = ""]) => {
    try {
      return await run(runtimeOf(invocation), {
        ...createOptions(id, flags),
        detach: flags.detach === true,
        keep: flags.keep === true,
        noSubreaper: flags["no-subreaper"] === true,
      });
    } catch (error) {
      throw prefixed(error, "tsrunc run failed", 1);
    }
  },
});
