/** Turns a command line in the dialect of Go's flag package, which runc's callers write, into one commander reads. */
import type { Flag } from "./flags.ts";

/** A command line in which nothing is ambiguous any more. */
export interface Normalised {
  /**
   * Known flags as `--name=value`, booleans included. At most one other entry, the last: a flag that lacks its
   * value (`--name`) or one that the table does not know, for commander to complain about.
   */
  readonly flags: readonly string[];
  /** Everything that is not a flag, the command's id among it. */
  readonly operands: readonly string[];
}

/**
 * `interspersed`: flags may follow operands (`delete ID --force`); what looks like a flag but is not in the table
 * is an operand there (`kill ID -9`). `leading`: flags end at the first operand (`exec ID ls -la`).
 */
export type FlagPlacement = "interspersed" | "leading";

interface Parts {
  readonly name: string;
  readonly value: string | undefined;
}

/** `-name`, `--name`, `-name=value`: one or two dashes mean the same; undefined when this is not a flag. */
function split(argument: string): Parts | undefined {
  if (argument.length < 2 || !argument.startsWith("-")) return undefined;
  const text = argument.slice(argument.startsWith("--") ? 2 : 1);
  const equals = text.indexOf("=");
  return equals === -1
    ? { name: text, value: undefined }
    : { name: text.slice(0, equals), value: text.slice(equals + 1) };
}

function find(table: readonly Flag[], name: string): Flag | undefined {
  return table.find((flag) => flag.name === name || flag.short === name);
}

/**
 * Reads `argv` against a flag table the way Go does: `-flag` equals `--flag`, a value is the text after `=` or the
 * next argument whatever it looks like (`--memory-swap -1`), a boolean takes a value only after `=`, `--` ends the
 * flags. Pure: nothing is checked but where flags and operands are.
 */
export function normalise(
  argv: readonly string[],
  table: readonly Flag[],
  placement: FlagPlacement,
): Normalised {
  const flags: string[] = [];
  const operands: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? "";
    if (argument === "--") {
      operands.push(...argv.slice(i + 1));
      break;
    }
    const parts = split(argument);
    if (parts === undefined) {
      if (placement === "leading") {
        operands.push(...argv.slice(i));
        break;
      }
      operands.push(argument);
      continue;
    }
    const flag = find(table, parts.name);
    if (flag === undefined) {
      if (parts.name === "help" || parts.name === "h") return { flags: ["--help"], operands: [] };
      if (operands.length === 0)
        return { flags: [...flags, `--${parts.name || argument}`], operands };
      operands.push(argument);
    } else if (parts.value !== undefined) {
      flags.push(`--${flag.name}=${parts.value}`);
    } else if (flag.kind === "bool") {
      flags.push(`--${flag.name}=true`);
    } else {
      const value = argv[++i];
      if (value === undefined) return { flags: [...flags, `--${flag.name}`], operands: [] };
      flags.push(`--${flag.name}=${value}`);
    }
  }
  return { flags, operands };
}
