/** From argv to the command that runs: global flags, help, version, and wrong usage in runc's words. */
import { fail, type RuntimeError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { writeOut } from "../base/stdio.ts";
import { span } from "../base/trace.ts";
import type { Command } from "./command.ts";
import { findCommand } from "./commands.ts";
import { type GlobalValues, globalFlags } from "./global.ts";
import { type Parsed, parse } from "./parse.ts";

/** What stands before the command, and the command with its own arguments. */
export interface CommandLine {
  readonly globals: GlobalValues;
  readonly rootGiven: boolean;
  readonly rest: readonly string[];
}

/** runc's exit status for a command it does not know. */
const unknownCommandStatus = 3;

async function printProgramHelp(): Promise<void> {
  const { programHelp } = await import("./help.ts");
  const { version } = await import("../base/version.ts");
  writeOut(programHelp(version));
}

async function printCommandHelp(command: Command): Promise<void> {
  const { commandHelp } = await import("./help.ts");
  writeOut(commandHelp(command, findCommand(command.name)?.summary ?? ""));
}

async function printVersion(): Promise<void> {
  const { versionText } = await import("./version.ts");
  const { seccompLibraryVersion } = await import("../seccomp/features.ts");
  writeOut(versionText(seccompLibraryVersion()));
}

/** A usage error: what is wrong and the help go to standard output, as runc does; the text is thrown and logged. */
async function wrongUsage(
  headline: string,
  text: string,
  printHelp: () => Promise<void>,
): Promise<RuntimeError> {
  writeOut(`${headline}\n\n`);
  await printHelp();
  return fail("InvalidArgument", text, { stage: "cli" });
}

/**
 * Parses the global flags.
 * @returns undefined when the command line asked for help or the version, which is then printed.
 * @throws InvalidArgument for a flag that is unknown or has no proper value.
 */
export async function parseGlobals(argv: readonly string[]): Promise<CommandLine | undefined> {
  let parsed: Parsed<typeof globalFlags>;
  try {
    parsed = parse(argv, globalFlags, "leading");
  } catch (error) {
    const text = (error as Error).message;
    throw await wrongUsage(`Incorrect Usage. ${text}`, text, printProgramHelp);
  }
  if (parsed.kind === "help") {
    await printProgramHelp();
    return undefined;
  }
  if (parsed.flags.version === true) {
    await printVersion();
    return undefined;
  }
  return { globals: parsed.flags, rootGiven: parsed.given("root"), rest: parsed.operands };
}

async function loadCommand(name: string): Promise<Command> {
  const entry = findCommand(name);
  if (entry === undefined) {
    throw fail("InvalidArgument", `No help topic for '${name}'`, {
      stage: "cli",
      exitStatus: unknownCommandStatus,
    });
  }
  return await entry.load();
}

function countProblem(command: Command, count: number): string | undefined {
  const { minOperands: min, maxOperands: max } = command;
  if (count >= min && count <= max) return undefined;
  const amount =
    min === max ? `exactly ${min}` : count < min ? `a minimum of ${min}` : `a maximum of ${max}`;
  return `tsrunc: "${command.name}" requires ${amount} argument(s)`;
}

/**
 * Runs the command of a parsed command line.
 * @returns the exit status.
 * @throws whatever the command throws; InvalidArgument for wrong usage (exit status 3 for an unknown command).
 */
export async function runCommand(line: CommandLine, log: Logger): Promise<number> {
  const [name = "help", ...argv] = line.rest;
  if (name === "help" || name === "h") {
    const [topic] = argv;
    if (topic === undefined || topic.startsWith("-")) await printProgramHelp();
    else await printCommandHelp(await loadCommand(topic));
    return 0;
  }
  const loaded = span("load command");
  const command = await loadCommand(name);
  loaded();
  const help = () => printCommandHelp(command);
  let parsed: Parsed<Command["flags"]>;
  try {
    parsed = parse(argv, command.flags, command.placement);
  } catch (error) {
    const text = (error as Error).message;
    throw await wrongUsage(`Incorrect Usage: ${text}`, text, help);
  }
  if (parsed.kind === "help") {
    await help();
    return 0;
  }
  const problem = countProblem(command, parsed.operands.length);
  if (problem !== undefined) throw await wrongUsage("Incorrect Usage.", problem, help);
  const invocation = { globals: line.globals, rootGiven: line.rootGiven, log };
  return (await command.run(invocation, parsed.flags, parsed.operands)) ?? 0;
}
