/** `state`: prints what a container is doing, as JSON. */
import { writeOut } from "../base/stdio.ts";
import { state } from "../lifecycle/state.ts";
import { defineCommand } from "./command.ts";
import { runtimeOf } from "./runtime.ts";
import { stateObject } from "./state-object.ts";

export const stateCommand = defineCommand({
  name: "state",
  usage: "<container-id>",
  description: "Prints the state object of the OCI runtime specification, with a few fields more.",
  flags: [],
  minOperands: 1,
  maxOperands: 1,
  placement: "interspersed",
  run: async (invocation, _flags, [id = ""]) => {
    // As runc: the owner is looked up by `list` only, and there is no newline at the end.
    const shown = { ...stateObject(state(runtimeOf(invocation), id)), owner: "" };
    writeOut(JSON.stringify(shown, undefined, 2));
    return 0;
  },
});
