/** Reads the Test Anything Protocol as the validation programs print it. */

/** One test line. `name` is stable between runs: ids, temporary paths and process ids are replaced by placeholders. */
export interface TapTest {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
  /** The YAML or comment lines that follow the test line. */
  readonly detail: string;
}

/** What a program said, which may be several TAP streams. */
export interface TapReport {
  readonly tests: readonly TapTest[];
  /** How many tests the plan lines promised; undefined without one. */
  readonly planned: number | undefined;
  /** `error` of a diagnostic that belongs to no test: how some programs without tests report a failure. */
  readonly error: string | undefined;
}

const testLine = /^(not ok|ok)\b(?:\s+\d+)?(?:\s*-\s*|\s+)?(.*)$/;
const planLine = /^1\.\.(\d+)/;
const skipMark = /(?:^|\s)#\s*skip\b\s*(.*)$/i;

/** Takes what differs from run to run out of a test's name. */
export function stableName(text: string): string {
  return text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<id>")
    .replace(/\S*\/ocitest\d+/g, "<bundle>")
    .replace(/\/proc\/\d+/g, "/proc/<pid>")
    .replace(/\b(pid:?) \d+/g, "$1 <pid>")
    .trim();
}

/** Diagnostics are written as JSON. */
function errorOf(lines: readonly string[]): string | undefined {
  const match = /"error": ("(?:[^"\\]|\\.)*")/.exec(lines.join("\n"));
  return match?.[1] === undefined ? undefined : String(JSON.parse(match[1]));
}

/** Parses what a program printed; lines that are not TAP are ignored, tests of one name are numbered from the second on. */
export function parseTap(text: string): TapReport {
  const tests: { name: string; status: TapTest["status"]; detail: string[] }[] = [];
  const seen: Record<string, number> = {};
  let planned: number | undefined;
  const preamble: string[] = [];
  for (const line of text.split("\n")) {
    const plan = planLine.exec(line);
    if (plan !== null) planned = (planned ?? 0) + Number(plan[1]);
    const match = testLine.exec(line);
    if (match === null) {
      if (plan === null) (tests.at(-1)?.detail ?? preamble).push(line);
      continue;
    }
    const title = match[2] ?? "";
    const skip = skipMark.exec(title);
    const base = stableName(skip === null ? title : (skip[1] ?? "")) || "unnamed";
    const count = (seen[base] ?? 0) + 1;
    seen[base] = count;
    const status = skip !== null ? "skipped" : match[1] === "ok" ? "passed" : "failed";
    tests.push({ name: count === 1 ? base : `${base} (${count})`, status, detail: [] });
  }
  return {
    tests: tests.map((test) => ({ ...test, detail: test.detail.join("\n").trim() })),
    planned,
    error: errorOf(preamble),
  };
}
