/** Judges results: failures that the suite itself is to blame for are listed, all others count. */
import { readFileSync } from "node:fs";
import type { TapTest } from "./tap.ts";

/** An entry of known-differences.json. */
export interface Difference {
  readonly program: string;
  /** Name of the test, without the number that tells tests of one name apart. */
  readonly test: string;
  /** Section of the runtime spec that shows the defect of the suite. */
  readonly spec: string;
  readonly reason: string;
}

/** By program. */
export type Results = Readonly<Record<string, readonly TapTest[]>>;

export interface Failure {
  /** "program: test" */
  readonly title: string;
  readonly detail: string;
}

export interface Verdict {
  /** Failures that are not listed. */
  readonly unlisted: readonly Failure[];
  /** Entries whose test passes or does not exist. */
  readonly outdated: readonly Difference[];
  /** How many failures are listed. */
  readonly known: number;
}

/** Reads the list. */
export function readDifferences(path: string): Difference[] {
  return JSON.parse(readFileSync(path, "utf8")) as Difference[];
}

function baseName(test: TapTest): string {
  return test.name.replace(/ \(\d+\)$/, "");
}

/** Holds the results of one runtime against the list; programs that did not run prove nothing about their entries. */
export function judge(results: Results, list: readonly Difference[]): Verdict {
  const unlisted: Failure[] = [];
  const used = new Set<Difference>();
  let known = 0;
  for (const [program, tests] of Object.entries(results)) {
    for (const test of tests) {
      if (test.status !== "failed") continue;
      const name = baseName(test);
      const entry = list.find((item) => item.program === program && item.test === name);
      if (entry === undefined) {
        unlisted.push({ title: `${program}: ${test.name}`, detail: test.detail });
      } else {
        used.add(entry);
        known += 1;
      }
    }
  }
  const outdated = list.filter((item) => Object.hasOwn(results, item.program) && !used.has(item));
  return { unlisted, outdated, known };
}

/** Tests that fail with the first and pass with the second, as "program: test". */
export function behind(results: Results, other: Results): string[] {
  const found: string[] = [];
  for (const [program, tests] of Object.entries(results)) {
    const passed = new Set(
      other[program]?.filter(({ status }) => status === "passed").map(({ name }) => name),
    );
    const otherBroke = other[program]?.some(({ status }) => status === "failed") ?? true;
    for (const { name, status } of tests) {
      if (status !== "failed") continue;
      // A program that broke off has its own line, which the other runtime's results lack when it got through.
      const gotThrough = name.startsWith("(program)") && !otherBroke;
      if (passed.has(name) || gotThrough) found.push(`${program}: ${name}`);
    }
  }
  return found;
}
