/** `checkpoint`: its command line; the work is not implemented yet. */
import { fail } from "../base/errors.ts";
import { criuFlags } from "./checkpoint-flags.ts";
import { defineCommand } from "./command.ts";

export const checkpointCommand = defineCommand({
  name: "checkpoint",
  usage: "<container-id>",
  description: "Would save a running container to image files. Not available in this version.",
  flags: [
    ...criuFlags,
    { name: "parent-path", kind: "string", help: "earlier image files of a pre-dump, relative" },
    { name: "leave-running", kind: "bool", help: "leave the container running" },
    { name: "tcp-skip-in-flight", kind: "bool", help: "skip tcp connections being established" },
    { name: "link-remap", kind: "bool", help: "link unlinked files back when possible" },
    { name: "status-fd", kind: "int", value: -1, help: "fd to report to that lazy-pages is ready" },
    { name: "page-server", kind: "string", help: "ADDRESS:PORT of the page server" },
    { name: "pre-dump", kind: "bool", help: "save memory only and leave the container running" },
  ],
  minOperands: 1,
  maxOperands: 1,
  placement: "interspersed",
  run: async () => {
    throw fail("Unimplemented", "checkpoint is not supported by this version of tsrunc", {
      stage: "cli",
    });
  },
});
