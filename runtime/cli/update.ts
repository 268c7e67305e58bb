/** `update`: changes the resource limits of a container. */
import { closeSync, openSync } from "node:fs";
import type { LinuxResources } from "../../schemas/generated/config.ts";
import { fail, RuntimeError, wrap } from "../base/errors.ts";
import { readAll } from "../base/stdio.ts";
import { update } from "../lifecycle/update.ts";
import { loadResources } from "../spec/load.ts";
import { defineCommand } from "./command.ts";
import { runtimeOf } from "./runtime.ts";
import { resourcesFromFlags, updateFlags } from "./update-resources.ts";

/** More than any set of limits; a wrong file is not read whole. */
const maxBytes = 4 << 20;

function readFileOrStdin(path: string): string {
  if (path === "-") return readAll(0, maxBytes);
  const fd = openSync(path, "r");
  try {
    return readAll(fd, maxBytes);
  } finally {
    closeSync(fd);
  }
}

/**
 * Reads `linux.resources` from a file, `-` for standard input.
 * @throws when it cannot be read, is not JSON, or is not what the specification says.
 */
function resourcesFromFile(path: string): LinuxResources {
  const source = path === "-" ? "standard input" : path;
  try {
    return loadResources(readFileOrStdin(path), source);
  } catch (error) {
    if (error instanceof RuntimeError) throw error;
    throw wrap(error, { op: "read resources from", path: source, stage: "cli" });
  }
}

export const updateCommand = defineCommand({
  name: "update",
  usage: "<container-id>",
  description: "Changes limits of a container; what is not mentioned stays as it is.",
  flags: updateFlags,
  minOperands: 1,
  maxOperands: 1,
  placement: "interspersed",
  run: async (invocation, flags, [id = ""]) => {
    for (const name of ["l3-cache-schema", "mem-bw-schema"] as const) {
      if (flags[name] !== "") throw fail("Unimplemented", `--${name}: Intel RDT is not supported`);
    }
    const resources =
      flags.resources === "" ? resourcesFromFlags(flags) : resourcesFromFile(flags.resources);
    await update(runtimeOf(invocation), id, resources);
    return 0;
  },
});
