/** Go's notation of durations (`1.5s`, `2h45m`), which `events --interval` takes. */
import { fail, type RuntimeError } from "./errors.ts";

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Go keeps a duration as int64 nanoseconds. */
const maxMs = 2 ** 63 / 1e6;

function invalid(text: string): RuntimeError {
  return fail("InvalidArgument", `invalid duration "${text}"`, {
    hint: "write a number with a unit: 500ms, 5s, 1m30s",
  });
}

/**
 * Milliseconds (fractional for parts below one) in a duration as time.ParseDuration of Go accepts it: an optional
 * sign, then decimal numbers each with a unit; a lone `0` needs none.
 * @throws InvalidArgument
 */
export function parseDuration(text: string): number {
  const negative = text.startsWith("-");
  let rest = negative || text.startsWith("+") ? text.slice(1) : text;
  if (rest === "0") return 0;
  if (rest === "") throw invalid(text);
  let total = 0;
  while (rest !== "") {
    const match = /^(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/.exec(rest);
    const unit = unitMs[match?.[2] ?? ""];
    if (match === null || unit === undefined) throw invalid(text);
    total += Number(match[1]) * unit;
    rest = rest.slice(match[0].length);
  }
  if (total > maxMs) throw invalid(text);
  return negative ? -total : total;
}
