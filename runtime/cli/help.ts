/** Help texts, in the layout of runc's. */
import type { Command } from "./command.ts";
import { commands } from "./commands.ts";
import type { Flag } from "./flags.ts";
import { globalFlags } from "./global.ts";

const about = `tsrunc creates and runs containers from OCI bundles, with the command line of runc.

A bundle is a directory with a config.json and a root filesystem. To run one:

    # tsrunc run [ -b bundle ] <container-id>

"<container-id>" names the container and is unique on the host. The bundle
defaults to the current directory.`;

/** Lines of two columns, the second aligned. */
function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `   ${left.padEnd(width)}  ${right}\n`).join("");
}

function flagRow(flag: Flag): readonly [string, string] {
  const value = flag.kind === "bool" ? "" : " value";
  const names = [`--${flag.name}${value}`];
  if (flag.short !== undefined) names.push(`-${flag.short}${value}`);
  const fallback = flag.value === undefined ? "" : ` (default: ${shownDefault(flag)})`;
  return [names.join(", "), `${flag.help}${fallback}`];
}

function shownDefault(flag: Flag): string {
  if (flag.kind === "duration") return `${Number(flag.value) / 1000}s`;
  return flag.kind === "string" ? `"${flag.value}"` : `${flag.value}`;
}

function flagTable(flags: readonly Flag[]): string {
  return columns(flags.filter((flag) => flag.help !== "").map(flagRow));
}

/** The help of one command; `summary` is its line in the list of commands. */
export function commandHelp(command: Command, summary: string): string {
  const shown = command.flags.some((flag) => flag.help !== "");
  const options = shown ? "[command options] " : "";
  return (
    `NAME:\n   tsrunc ${command.name} - ${summary}\n\n` +
    `USAGE:\n   tsrunc ${command.name} ${options}${command.usage}`.trimEnd() +
    `\n\nDESCRIPTION:\n   ${command.description}\n` +
    (shown ? `\nOPTIONS:\n${flagTable(command.flags)}` : "")
  );
}

/** The help of the program. */
export function programHelp(version: string): string {
  const rows = Object.entries(commands).map(([name, entry]) => [name, entry.summary] as const);
  const help: Flag = { name: "help", short: "h", kind: "bool", help: "show help" };
  return (
    `NAME:\n   tsrunc - Open Container Initiative runtime\n\n${about}\n\n` +
    "USAGE:\n   tsrunc [global options] command [command options] [arguments...]\n\n" +
    `VERSION:\n   ${version}\n\n` +
    `COMMANDS:\n${columns([...rows, ["help, h", "show the commands or the help of one"]])}\n` +
    `GLOBAL OPTIONS:\n${flagTable([...globalFlags, help])}`
  );
}
