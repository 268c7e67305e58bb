/** Prints the results of several runtimes side by side. */
import type { Results } from "./differences.ts";
import type { TapTest } from "./tap.ts";

/** One runtime's results. */
export interface Column {
  readonly name: string;
  readonly results: Results;
}

function count(tests: readonly TapTest[], status: TapTest["status"]): number {
  return tests.filter((test) => test.status === status).length;
}

/** Passed tests of all programs. */
export function passedIn(results: Results): number {
  return count(Object.values(results).flat(), "passed");
}

/** `274 ok`, `2 ok, 1 FAILED`; tests that do not apply to the config (`linux.sysctl not set`) are left out. */
function cell(tests: readonly TapTest[] | undefined): string {
  if (tests === undefined) return "skipped";
  const failed = count(tests, "failed");
  return `${count(tests, "passed")} ok${failed === 0 ? "" : `, ${failed} FAILED`}`;
}

/** A line per program and a total. */
export function formatTable(programs: readonly string[], columns: readonly Column[]): string {
  const rows = [
    ["program", ...columns.map(({ name }) => name)],
    ...programs.map((program) => [program, ...columns.map((c) => cell(c.results[program]))]),
    ["total", ...columns.map(({ results }) => cell(Object.values(results).flat()))],
  ];
  const widths =
    rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((text, at) => text.padEnd(widths[at] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
