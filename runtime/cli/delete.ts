/** `delete`: removes what a container holds on the host. */
import { remove } from "../lifecycle/delete.ts";
import { defineCommand } from "./command.ts";
import { runtimeOf } from "./runtime.ts";

export const deleteCommand = defineCommand({
  name: "delete",
  usage: "<container-id>",
  description: `Deletes the cgroups and the state of a container that has stopped. One that runs, or was
created and never started, is deleted only with --force.`,
  flags: [
    {
      name: "force",
      short: "f",
      kind: "bool",
      help: "kill the container first when it runs (SIGKILL); an unknown id is no error",
    },
  ],
  minOperands: 1,
  maxOperands: 1,
  placement: "interspersed",
  run: async (invocation, flags, [id = ""]) => {
    await remove(runtimeOf(invocation), id, flags.force === true);
    return 0;
  },
});
