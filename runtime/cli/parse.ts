/** Parses a normalised command line with commander and puts its complaints into runc's words. */
import { Option, Command as Parser } from "commander";
import { fail, type RuntimeError } from "../base/errors.ts";
import { absentValue, type Flag, type FlagValues, readValue } from "./flags.ts";
import { type FlagPlacement, normalise } from "./normalise.ts";

/** Flags and operands of one command, or the wish to see its help. */
export type Parsed<F extends readonly Flag[]> =
  | {
      readonly kind: "values";
      readonly flags: FlagValues<F>;
      readonly operands: readonly string[];
      /** Was this flag on the command line? */
      given(name: F[number]["name"]): boolean;
    }
  | { readonly kind: "help" };

/** What commander throws when told not to exit. */
interface ParserError {
  readonly code: string;
  readonly message: string;
}

function isParserError(error: unknown): error is ParserError {
  const code = (error as { code?: unknown } | null)?.code;
  return error instanceof Error && typeof code === "string" && code.startsWith("commander.");
}

/** The flag that commander names in quotes: `error: option '--log <value>' argument missing`. */
function namedFlag(message: string): string {
  const quoted = message.slice(message.indexOf("'") + 1, message.lastIndexOf("'"));
  const space = quoted.indexOf(" ");
  return (space === -1 ? quoted : quoted.slice(0, space)).slice(2);
}

function inWordsOfRunc(error: ParserError): RuntimeError {
  let text = error.message;
  if (error.code === "commander.unknownOption") {
    text = `flag provided but not defined: -${namedFlag(text)}`;
  } else if (error.code === "commander.optionMissingArgument") {
    text = `flag needs an argument: -${namedFlag(text)}`;
  }
  return fail("InvalidArgument", text, { stage: "cli" });
}

/** Every flag, booleans too, is an option with a value: commander's own `--no-x` means negation, runc's does not. */
function optionOf(flag: Flag): Option {
  const option = new Option(`--${flag.name} <value>`)
    .default(absentValue(flag))
    .argParser((text: string, previous: unknown) => readValue(flag, text, previous));
  option.negate = false;
  option.attributeName = () => flag.name;
  return option;
}

function ignore(): void {
  // Help and errors are printed by us.
}

/** The name in `--name=value` or `--name`. */
function nameIn(argument: string): string {
  const equals = argument.indexOf("=");
  return argument.slice(2, equals === -1 ? undefined : equals);
}

/**
 * A commander parser with the options that the command line uses, and no others: each costs 0.1 ms in a process
 * that has just started. A flag which is not in the table stays unknown.
 */
function parserFor(table: readonly Flag[], flags: readonly string[]): Parser {
  const parser = new Parser("tsrunc")
    .exitOverride()
    .configureOutput({ writeOut: ignore, writeErr: ignore, outputError: ignore })
    .showSuggestionAfterError(false)
    .allowExcessArguments();
  if (flags.includes("--help")) parser.configureHelp({ formatHelp: () => "" });
  else parser.helpOption(false);
  const names = flags.map(nameIn);
  for (const flag of table) {
    if (names.includes(flag.name)) parser.addOption(optionOf(flag));
  }
  return parser;
}

/**
 * Parses `argv` by a flag table.
 * @throws InvalidArgument with the text that runc prints for wrong usage (`flag provided but not defined: -x`).
 */
export function parse<const F extends readonly Flag[]>(
  argv: readonly string[],
  table: F,
  placement: FlagPlacement,
): Parsed<F> {
  const { flags, operands } = normalise(argv, table, placement);
  const parser = parserFor(table, flags);
  // Nothing may follow a flag without value, or commander would take it for the value.
  const rest = operands.length === 0 ? [] : ["--", ...operands];
  try {
    parser.parse([...flags, ...rest], { from: "user" });
  } catch (error) {
    if (!isParserError(error)) throw error;
    if (error.code === "commander.helpDisplayed") return { kind: "help" };
    throw inWordsOfRunc(error);
  }
  const values: Record<string, unknown> = {};
  for (const flag of table) values[flag.name] = absentValue(flag);
  return {
    kind: "values",
    flags: Object.assign(values, parser.opts()) as FlagValues<F>,
    operands: parser.args,
    given: (name) => parser.getOptionValueSource(name) === "cli",
  };
}
