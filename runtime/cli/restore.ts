/** `restore`: its command line; the work is not implemented yet. */
import { fail } from "../base/errors.ts";
import { criuFlags } from "./checkpoint-flags.ts";
import { defineCommand } from "./command.ts";

export const restoreCommand = defineCommand({
  name: "restore",
  usage: "<container-id>",
  description: "Would restore a container from image files. Not available in this version.",
  flags: [
    ...criuFlags,
    {
      name: "console-socket",
      kind: "string",
      help: "AF_UNIX socket that receives the master end of the container's terminal",
    },
    { name: "bundle", short: "b", kind: "string", help: "directory of the bundle" },
    { name: "detach", short: "d", kind: "bool", help: "do not wait for the container's process" },
    { name: "pid-file", kind: "string", help: "file to write the pid of the init process to" },
    { name: "no-subreaper", kind: "bool", help: "do not adopt and reap orphaned processes" },
    { name: "no-pivot", kind: "bool", help: "do not use pivot_root" },
    { name: "lsm-profile", kind: "string", help: "LSM profile to restore with, TYPE:NAME" },
    { name: "lsm-mount-context", kind: "string", help: "LSM mount context to restore with" },
  ],
  minOperands: 1,
  maxOperands: 1,
  placement: "interspersed",
  run: async () => {
    throw fail("Unimplemented", "restore is not supported by this version of tsrunc", {
      stage: "cli",
    });
  },
});
