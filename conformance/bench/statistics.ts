/** Owns what is made of samples: medians, spread, ratios, and whether the budgets hold. Pure. */
import { type Key, keyOf, type Mode } from "./schedule.ts";

/** Times in milliseconds. */
export interface Summary extends Key {
  readonly samples: number;
  readonly median: number;
  /** The quartiles: half of all samples lie between them. */
  readonly low: number;
  readonly high: number;
  readonly minimum: number;
}

export interface Ratio {
  readonly mode: Mode;
  readonly command: string;
  /** Whose median divides ours. */
  readonly against: string;
  readonly ratio: number;
}

export interface Verdict {
  readonly what: string;
  readonly limit: number;
  readonly value: number;
  readonly met: boolean;
}

function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/** One summary for each label, in the order of their first samples. */
export function summarise(samples: ReadonlyMap<string, readonly number[]>): Summary[] {
  return [...samples].map(([label, times]) => {
    const sorted = [...times].sort((a, b) => a - b);
    return {
      ...keyOf(label),
      samples: sorted.length,
      median: quantile(sorted, 0.5),
      low: quantile(sorted, 0.25),
      high: quantile(sorted, 0.75),
      minimum: sorted[0] ?? Number.NaN,
    };
  });
}

export function medianOf(summaries: readonly Summary[], key: Key): number | undefined {
  return summaries.find(
    ({ mode, command, subject }) =>
      mode === key.mode && command === key.command && subject === key.subject,
  )?.median;
}

/** tsrunc's medians divided by every other runtime's. */
export function ratios(summaries: readonly Summary[]): Ratio[] {
  return summaries.flatMap(({ mode, command, subject, median }) => {
    const ours = medianOf(summaries, { mode, command, subject: "tsrunc" });
    if (ours === undefined || subject === "tsrunc") return [];
    return [{ mode, command, against: subject, ratio: ours / median }];
  });
}

/** The table of budgets: what may take how much of whose time. */
const budgets: readonly (readonly [Mode, string, string, number])[] = [
  ["paced", "run", "crun", 0.5],
  ["paced", "run", "runc", 0.25],
  ["tight", "run", "crun", 1],
  ["tight", "run", "runc", 0.4],
  ["paced", "create", "crun", 1],
  ["paced", "start", "crun", 1],
  ["paced", "state", "crun", 1],
  ["paced", "exec", "crun", 1],
  ["paced", "kill", "crun", 1],
  ["paced", "delete", "crun", 1],
];
const startUpBudget = 1;

/** The budgets that can be judged with these samples. */
export function judge(summaries: readonly Summary[]): Verdict[] {
  const all = ratios(summaries);
  const verdicts: Verdict[] = [];
  for (const [mode, command, against, limit] of budgets) {
    const value = all.find(
      (ratio) => ratio.mode === mode && ratio.command === command && ratio.against === against,
    )?.ratio;
    if (value === undefined) continue;
    verdicts.push({ what: `${command}, ${mode} / ${against}`, limit, value, met: value <= limit });
  }
  const startUp = (subject: string) =>
    medianOf(summaries, { mode: "tight", command: "start-up", subject });
  const value = (startUp("first line") ?? Number.NaN) - (startUp("empty") ?? Number.NaN);
  if (!Number.isNaN(value)) {
    const what = "start to first line over an empty executable, ms";
    verdicts.push({ what, limit: startUpBudget, value, met: value <= startUpBudget });
  }
  return verdicts;
}
