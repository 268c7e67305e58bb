/** `ps`: the processes of a container, as the host's ps(1) shows them. */
import { fail } from "../base/errors.ts";
import { writeOut } from "../base/stdio.ts";
import { pids } from "../lifecycle/ps.ts";
import { defineCommand } from "./command.ts";
import { runtimeOf } from "./runtime.ts";

/**
 * The title line and the lines whose PID column holds one of `wanted`.
 * @throws Internal when the output of ps has no PID column.
 */
export function filterPs(output: string, wanted: readonly number[]): string {
  const [title = "", ...rows] = output.split("\n").filter((line) => line !== "");
  const column = title.trim().split(/\s+/).indexOf("PID");
  if (column === -1) {
    throw fail("InvalidArgument", "couldn't find PID field in ps output", {
      hint: "give ps options which show the PID column",
    });
  }
  const kept = rows.filter((row) => wanted.includes(Number(row.trim().split(/\s+/)[column])));
  return [title, ...kept].map((line) => `${line}\n`).join("");
}

async function runPs(options: readonly string[]): Promise<string> {
  const { spawnSync } = await import("node:child_process");
  const child = spawnSync("ps", options, { encoding: "utf8", maxBuffer: 256 << 20 });
  if (child.error !== undefined) {
    throw fail("Unavailable", `cannot run ps: ${child.error.message}`, {
      hint: "install ps (procps), or use --format json",
    });
  }
  if (child.status !== 0) {
    throw fail("InvalidArgument", `ps ended with status ${child.status}: ${child.stderr.trim()}`);
  }
  return child.stdout;
}

export const psCommand = defineCommand({
  name: "ps",
  usage: "<container-id> [ps options]",
  description: `Runs the host's ps with the given options (default: -ef) and shows the lines of processes in
the container.`,
  flags: [
    { name: "format", short: "f", kind: "string", value: "table", help: "one of: table, json" },
  ],
  minOperands: 1,
  maxOperands: Number.POSITIVE_INFINITY,
  placement: "leading",
  run: async (invocation, flags, [id = "", ...options]) => {
    const format = flags.format;
    if (format !== "table" && format !== "json") {
      throw fail("InvalidArgument", "invalid format option", { hint: "it is table or json" });
    }
    const found = pids(runtimeOf(invocation), id);
    if (format === "json") writeOut(`${found.length === 0 ? "null" : JSON.stringify(found)}\n`);
    else writeOut(filterPs(await runPs(options.length === 0 ? ["-ef"] : options), found));
    return 0;
  },
});
