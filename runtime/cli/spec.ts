/** `spec`: writes a config.json to start from. */
import { writeFileSync } from "node:fs";
import { errnoOf, fail, wrap } from "../base/errors.ts";
import { absolutePath } from "../base/paths.ts";
import { cgroupHost } from "../host/cgroup-mode.ts";
import { specTemplate } from "../spec/template.ts";
import { defineCommand } from "./command.ts";

/** Whether the host has cgroup v2 only; without any cgroups it does not matter. */
function onlyCgroup2(): boolean {
  try {
    return cgroupHost().mode === "v2";
  } catch {
    return false;
  }
}

/** The caller's effective ids, to become root of a user namespace. */
function callerIds(): { readonly uid: number; readonly gid: number } {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
}

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
    const spec = specTemplate({
      cgroup2: onlyCgroup2(),
      ...(flags.rootless === true ? { rootless: callerIds() } : {}),
    });
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
