/** Human notation of memory sizes (`64m`, `1.5GiB`), binary units, as `update --memory` takes it. */
import { fail, type RuntimeError } from "./errors.ts";

const shifts: Readonly<Record<string, number>> = { b: 0, k: 10, m: 20, g: 30, t: 40, p: 50 };

/** Limits are int64 in the OCI spec. */
const maxSize = 2n ** 63n - 1n;

function invalid(text: string): RuntimeError {
  return fail("InvalidArgument", `invalid size: '${text}'`, {
    hint: "write a number of bytes, optionally with one of b, k, m, g, t, p",
  });
}

/**
 * Bytes in a size as docker's go-units reads it: a decimal number, then nothing, `b`, or one of k m g t p
 * (any case) with an optional `b` or `ib`, after at most one space. Whole numbers stay exact above 2^53.
 * @throws InvalidArgument for anything else, negative numbers and what exceeds int64.
 */
export function parseSize(text: string): bigint {
  const match = /^\+?(\d+)(\.\d*)? ?(?:([kmgtp])(?:i?b)?|(b))?$/i.exec(text);
  if (match === null) throw invalid(text);
  const shift = shifts[(match[3] ?? match[4] ?? "b").toLowerCase()] ?? 0;
  const fraction = Number(`0${match[2] ?? ""}`);
  const whole = BigInt(match[1] ?? "") << BigInt(shift);
  const size = whole + BigInt(Math.trunc(fraction * 2 ** shift));
  if (size > maxSize) throw invalid(text);
  return size;
}
