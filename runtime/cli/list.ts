/** `list`: all containers under the state root. */
import { fail } from "../base/errors.ts";
import { writeOut } from "../base/stdio.ts";
import { type ContainerState, listContainers } from "../lifecycle/state.ts";
import { defineCommand } from "./command.ts";
import { runtimeOf } from "./runtime.ts";
import { stateObject } from "./state-object.ts";
import { formatTable } from "./table.ts";

const columns = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];

function tableOf(states: readonly ContainerState[]): string {
  return formatTable([
    columns,
    ...states.map((s) => [s.id, String(s.pid), s.status, s.bundle, s.created, s.owner]),
  ]);
}

/** One line; `null` for none, as Go encodes an empty list and runc's callers know it. */
function jsonOf(states: readonly ContainerState[]): string {
  return `${states.length === 0 ? "null" : JSON.stringify(states.map(stateObject))}\n`;
}

export const listCommand = defineCommand({
  name: "list",
  usage: "",
  description: `Lists the containers under the state root, see the global flag --root.`,
  flags: [
    { name: "format", short: "f", kind: "string", value: "table", help: "one of: table, json" },
    { name: "quiet", short: "q", kind: "bool", help: "print ids only" },
  ],
  minOperands: 0,
  maxOperands: 0,
  placement: "interspersed",
  run: async (invocation, flags) => {
    const format = flags.format;
    if (format !== "table" && format !== "json") {
      throw fail("InvalidArgument", "invalid format option", { hint: "it is table or json" });
    }
    const states = listContainers(runtimeOf(invocation));
    if (flags.quiet === true) writeOut(states.map((state) => `${state.id}\n`).join(""));
    else writeOut(format === "json" ? jsonOf(states) : tableOf(states));
    return 0;
  },
});
