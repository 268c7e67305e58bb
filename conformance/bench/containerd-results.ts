/** Owns what is made of the samples of the two shims: medians, ratios, and whether the budgets hold. Pure. */

export interface Measured {
  readonly what: string;
  readonly unit: string;
  readonly tsrunc: number[];
  readonly runc: number[];
}

export interface Result {
  readonly what: string;
  readonly unit: string;
  /** Medians. */
  readonly tsrunc: number;
  readonly runc: number;
  /** Ours divided by theirs. */
  readonly ratio: number;
  readonly samples: number;
  readonly budget: number | undefined;
}

/** How much of theirs ours may be. */
const budgets: Readonly<Record<string, number>> = {
  "ctr run --rm": 0.5,
  "ctr task exec": 0.5,
  "shim start": 0.5,
  "shim delete": 0.5,
  "private memory, 1 container": 1,
  "private memory, 20 in a pod": 0.25,
  "CPU of shim and runtime per exec": 0.35,
};

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

export function resultOf({ what, unit, tsrunc, runc }: Measured): Result {
  const [ours, theirs] = [median(tsrunc), median(runc)];
  return {
    what,
    unit,
    tsrunc: ours,
    runc: theirs,
    ratio: ours / theirs,
    samples: tsrunc.length,
    budget: budgets[what],
  };
}

export function table(results: readonly Result[]): string {
  const head = `${"".padEnd(34)}${"tsrunc".padStart(10)}${"runc".padStart(10)}  ratio  budget`;
  const lines = results.map(({ what, unit, tsrunc, runc, ratio, budget }) => {
    const verdict = budget === undefined ? "" : `${budget} ${ratio <= budget ? "met" : "missed"}`;
    const numbers = `${tsrunc.toFixed(1).padStart(10)}${runc.toFixed(1).padStart(10)}`;
    return `${what.padEnd(34)}${numbers}  ${ratio.toFixed(2).padStart(5)}  ${verdict.padEnd(12)} ${unit}`;
  });
  return [head, ...lines].join("\n");
}
