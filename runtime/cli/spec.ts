/** `spec`: writes a config.json to start from. */
import { writeFileSync } from "node:fs";
import { errnoOf, fail, wrap } from "../base/errors.ts";
import { absolutePath } from "../base/paths.ts";
import { specTemplate } from "../spec/template.ts";
import { defineCommand } from "./command.ts";

export const specCommand = defineCommand({
  name: "spec",
  usage: "",
  description: `Writes config.json for a container that runs "sh" on a terminal. Put a root filesystem beside it
into the directory rootfs, edit args, and "tsrunc run" it. A config.json that exists is not
replaced.`,
  flags: [
    {
      name: "bundle",
      short: "b",
      kind: "string",
      help: "directory of the bundle, by default the current one",
    },
    {
      name: "rootless",
      kind: "bool",
      help: "for a user without privileges: map the caller to root in a user namespace",
    },
  ],
  minOperands: 0,
  maxOperands: 0,
  placement: "interspersed",
  run: async (_invocation, flags) => {
    const path = `${absolutePath(flags.bundle, process.cwd())}/config.json`;
    const spec = specTemplate(flags.rootless === true);
    try {
      writeFileSync(path, JSON.stringify(spec, undefined, "\t"), { flag: "wx", mode: 0o666 });
    } catch (error) {
      if (errnoOf(error) === "EEXIST") {
        throw fail("AlreadyExists", "File config.json exists. Remove it first", { path });
      }
      throw wrap(error, { op: "write", path });
    }
    return 0;
  },
});
