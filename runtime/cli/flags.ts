/** What a flag is: its table entry, the types its values get, and how one value is read. */
import { parseDuration } from "../base/duration.ts";
import { fail, type RuntimeError } from "../base/errors.ts";

/** How the text after a flag is understood. The plural kinds may be repeated and collect their values. */
export type FlagKind = "bool" | "string" | "int" | "duration" | "strings" | "ints";

/** One row of a flag table. */
export interface Flag {
  /** Long name without dashes. */
  readonly name: string;
  /** One-letter form without the dash. */
  readonly short?: string;
  readonly kind: FlagKind;
  /** One line of help; empty for flags that are accepted but not shown. */
  readonly help: string;
  /** Value of a `string` (else empty), `int` or `duration` (in milliseconds) that is not given. */
  readonly value?: string | number;
}

interface KindTypes {
  readonly bool: boolean | undefined;
  readonly string: string;
  readonly int: number | undefined;
  readonly duration: number | undefined;
  readonly strings: readonly string[];
  readonly ints: readonly number[];
}

type ValueOf<Row extends Flag> = Row extends { readonly value: number }
  ? number
  : KindTypes[Row["kind"]];

/** The values of a flag table by long name; undefined for what was not given and has no value then. */
export type FlagValues<F extends readonly Flag[]> = {
  readonly [Row in F[number] as Row["name"]]: ValueOf<Row>;
};

/** What a kind yields when the flag is absent and its row names no value. */
export function absentValue(flag: Flag): unknown {
  switch (flag.kind) {
    case "bool":
    case "int":
    case "duration":
      return flag.value;
    case "string":
      return flag.value ?? "";
    case "strings":
    case "ints":
      return [];
  }
}

function readBool(text: string): boolean | undefined {
  switch (text) {
    case "1":
    case "t":
    case "T":
    case "true":
    case "TRUE":
    case "True":
      return true;
    case "0":
    case "f":
    case "F":
    case "false":
    case "FALSE":
    case "False":
      return false;
    default:
      return undefined;
  }
}

function readInt(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

function readDuration(text: string): number | undefined {
  try {
    return parseDuration(text);
  } catch {
    return undefined;
  }
}

/** For a value of the wrong kind; the text is what runc (Go's flag package) says. */
function invalidValue(flag: Flag, text: string): RuntimeError {
  const quoted = JSON.stringify(text);
  const what = flag.kind === "bool" ? `boolean value ${quoted} for` : `value ${quoted} for flag`;
  return fail("InvalidArgument", `invalid ${what} -${flag.name}: parse error`, { stage: "cli" });
}

/**
 * Reads one value of a flag.
 * @param previous the value so far, which the plural kinds add to and the others replace (last wins).
 * @throws InvalidArgument with Go's wording when the text is not of the flag's kind.
 */
export function readValue(flag: Flag, text: string, previous: unknown): unknown {
  let value: unknown;
  switch (flag.kind) {
    case "string":
      return text;
    case "strings":
      return [...(previous as readonly string[]), text];
    case "bool":
      value = readBool(text);
      break;
    case "int":
    case "ints":
      value = readInt(text);
      break;
    case "duration":
      value = readDuration(text);
      break;
  }
  if (value === undefined) throw invalidValue(flag, text);
  return flag.kind === "ints" ? [...(previous as readonly number[]), value as number] : value;
}
