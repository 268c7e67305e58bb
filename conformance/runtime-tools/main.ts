/**
 * Runs the validation programs of opencontainers/runtime-tools; started by `make conformance`.
 *
 *     node build/conformance/runtime-tools/main.js [--runtime PATH] [--against runc,crun] [--program NAME]... [--verbose]
 *
 * Needs root. Exits 1 when the runtime fails a test that is not a listed defect of the suite, when a listed one passes, or
 * when one of the others does better.
 */
import { accessSync, constants, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { behind, judge, type Results, readDifferences } from "./differences.ts";
import { type Provision, provide } from "./host.ts";
import { runProgram } from "./program.ts";
import { prepareSuite, type Suite, Unavailable } from "./suite.ts";
import { type Column, formatTable, passedIn } from "./table.ts";
import type { TapTest } from "./tap.ts";

const { values } = parseArgs({
  options: {
    runtime: { type: "string", default: process.env["RUNTIME"] ?? "dist/bin/tsrunc" },
    against: { type: "string", default: "runc,crun" },
    program: { type: "string", multiple: true, default: [] },
    verbose: { type: "boolean", default: false },
  },
});

/** They mostly sleep until a state changes. */
const parallel = 4;

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** The runtime and, where installed, those to compare it with. Sbin directories may not be on the PATH. */
function runtimes(): string[] {
  const directories = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"];
  const find = (name: string) =>
    directories.map((directory) => join(directory, name)).find(isExecutable);
  const others = values.against.split(",").filter((name) => name !== "");
  const found = others.flatMap((name) => find(name) ?? missing(name));
  return [...new Set([resolve(values.runtime), ...found])];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function missing(name: string): string[] {
  print(`skipped: comparison with ${name} (not installed)`);
  return [];
}

/** Runs the programs, several at a time where they do not share a cgroup. */
async function runAll(
  suite: Suite,
  provisions: ReadonlyMap<string, Provision>,
  runtime: string,
): Promise<Results> {
  const results: Record<string, readonly TapTest[]> = {};
  const run = async (queue: [string, Provision][]) => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [program, provision] = next;
      results[program] = await runProgram(suite, program, runtime, provision);
    }
  };
  const all = [...provisions].filter(([, { lack }]) => lack === undefined);
  const alone = all.filter(([, provision]) => provision.sharesCgroups);
  const others = all.filter(([, provision]) => !provision.sharesCgroups);
  await Promise.all([run(alone), ...Array.from({ length: parallel - 1 }, () => run(others))]);
  return results;
}

function indent(text: string): string {
  return text.replace(/^/gm, "  ");
}

function printFailures(results: Results): void {
  for (const [program, tests] of Object.entries(results)) {
    for (const { name, status, detail } of tests) {
      if (status === "failed") print(`\n${program}: ${name}\n${detail}`);
    }
  }
}

/** Prints what is wrong, one line each, and returns how much that is. */
function report([ours, ...others]: readonly [Column, ...Column[]]): number {
  const list = readDifferences(join("conformance", "runtime-tools", "known-differences.json"));
  const { unlisted, outdated, known } = judge(ours.results, list);
  const lines = unlisted.map(({ title, detail }) => `FAILED: ${title}\n${indent(detail)}`);
  for (const { program, test } of outdated) {
    lines.push(`FAILED: ${program}: ${test}: listed in known-differences.json, but did not fail`);
  }
  for (const { name, results } of others) {
    for (const test of behind(ours.results, results))
      lines.push(`FAILED: ${test} (${name} passes)`);
  }
  if (known > 0) print(`${known} failures are defects of the suite: see known-differences.json`);
  for (const line of lines) print(line);
  return lines.length;
}

async function main(): Promise<void> {
  const suite = prepareSuite();
  const programs = values.program.length > 0 ? values.program : suite.programs;
  const provisions = new Map(programs.map((program) => [program, provide(program)]));
  print(`opencontainers/runtime-tools ${suite.version}, ${programs.length} programs`);
  const columns: Column[] = [];
  for (const runtime of runtimes()) {
    const results = await runAll(suite, provisions, runtime);
    columns.push({ name: basename(runtime), results });
    if (values.verbose) printFailures(results);
  }
  const [ours, ...others] = columns;
  if (ours === undefined) return;
  print(formatTable(programs, columns));
  let skipped = 0;
  for (const [program, { lack }] of provisions) {
    if (lack === undefined) continue;
    print(`skipped: ${program}: ${lack}`);
    skipped += 1;
  }
  const problems = report([ours, ...others]);
  finish({ passed: passedIn(ours.results), failed: problems, skipped });
}

/** Leaves the counts for the runner of all tests. */
function finish(counts: { passed: number; failed: number; skipped: number }): void {
  const path = process.env["TEST_COUNTS"];
  if (path !== undefined) writeFileSync(path, JSON.stringify(counts));
  if (counts.failed > 0) process.exitCode = 1;
}

function skipAll(reason: string): void {
  print(`skipped: opencontainers/runtime-tools: ${reason}`);
  finish({ passed: 0, failed: 0, skipped: 1 });
}

if (process.getuid?.() !== 0) skipAll("needs root");
else {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    skipAll(error.message);
  }
}
