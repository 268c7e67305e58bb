/** `events`: resource usage and out-of-memory events of a container, as lines of JSON. */
import { fail } from "../base/errors.ts";
import { writeOut } from "../base/stdio.ts";
import { stringifyJson } from "../base/u64.ts";
import { stats, watchEvents } from "../lifecycle/events.ts";
import { defineCommand } from "./command.ts";
import { runtimeOf } from "./runtime.ts";

export const eventsCommand = defineCommand({
  name: "events",
  usage: "<container-id>",
  description: `Prints a line of JSON {type, id, data} for each measurement (type stats) and each time the
container ran out of memory (type oom), until the container is gone.`,
  flags: [
    {
      name: "interval",
      kind: "duration",
      value: 5000,
      help: "time between measurements, such as 500ms or 1m",
    },
    { name: "stats", kind: "bool", help: "measure once and end" },
  ],
  minOperands: 1,
  maxOperands: 1,
  placement: "interspersed",
  run: async (invocation, flags, [id = ""]) => {
    if (flags.interval <= 0) {
      throw fail("InvalidArgument", "duration interval must be greater than 0");
    }
    const runtime = runtimeOf(invocation);
    const print = (event: object): void => writeOut(`${stringifyJson(event)}\n`);
    if (flags.stats === true) print({ type: "stats", id, data: stats(runtime, id) });
    else await watchEvents(runtime, id, flags.interval, print);
    return 0;
  },
});
