/** 64-bit integers in JSON: numbers that a double cannot hold are read and written exactly, as bigint. */

/** An integer of a JSON document: a bigint only when it lies beyond ±(2^53 - 1). */
export type Integer = number | bigint;

type Json = Record<string, unknown>;

/** Documents nest less than this; what lies deeper keeps its rounded numbers and is refused by validation. */
const maximumDepth = 128;

/** A text of digits that may be too long for a double; most documents have none and take the fast path. */
function mayHoldLargeIntegers(text: string): boolean {
  return /\d{16}/.test(text);
}

/** The document with every long integer put in quotes, so that its digits survive JSON.parse. */
function quoteLongIntegers(text: string): string {
  const stringOrNumber = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g;
  return text.replace(stringOrNumber, (token) =>
    /^-?\d{16,}$/.test(token) ? `"${token}"` : token,
  );
}

/** Copies long integers from the quoted twin into `value`: a number here with text there is one of them. */
function restoreLongIntegers(value: Json, twin: Json, depth: number): void {
  if (depth === 0) return;
  for (const key in value) {
    const member = value[key];
    const other = twin[key];
    if (typeof member === "number" && typeof other === "string") {
      if (!Number.isSafeInteger(member)) value[key] = BigInt(other);
    } else if (typeof member === "object" && member !== null) {
      restoreLongIntegers(member as Json, other as Json, depth - 1);
    }
  }
}

/**
 * JSON.parse with exact integers: RLIM_INFINITY arrives as 18446744073709551615n, not as 2^64.
 * Throws what JSON.parse throws.
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (!mayHoldLargeIntegers(text)) return value;
  const holder = { value };
  restoreLongIntegers(holder, { value: JSON.parse(quoteLongIntegers(text)) }, maximumDepth);
  return holder.value;
}

/**
 * JSON.stringify which writes bigints as plain digits.
 * Throws TypeError for what JSON cannot hold at all.
 */
export function stringifyJson(value: unknown, indent?: string): string {
  let found = false;
  const text = JSON.stringify(
    value,
    (_key, member: unknown) => {
      if (typeof member !== "bigint") return member;
      found = true;
      return `\0integer:${member}`;
    },
    indent,
  );
  return found ? text.replace(/"\\u0000integer:(-?\d+)"/g, "$1") : text;
}
