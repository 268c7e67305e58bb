/** Makes schemas/generated/ from the schemas: `bun schemas/generate.ts`, or with `--check` only compares. */
import { readFileSync, writeFileSync } from "node:fs";
import { planHeader } from "./generator/plan-header.ts";
import { planModule } from "./generator/plan-module.ts";
import { readPlanTable } from "./generator/plan-table.ts";

const here = import.meta.dirname;

function read(path: string): string {
  return readFileSync(`${here}/${path}`, "utf8");
}

/** Every generated file's name and text. */
function outputs(): Record<string, string> {
  const table = readPlanTable(read("tsrunc/plan.json"));
  return {
    "plan.ts": planModule(table, read("generator/plan-codec.txt")),
    "plan_ops.h": planHeader(table),
  };
}

function present(name: string): string | undefined {
  try {
    return read(`generated/${name}`);
  } catch {
    return undefined;
  }
}

const stale = Object.entries(outputs()).filter(([name, text]) => present(name) !== text);
if (process.argv.includes("--check")) {
  for (const [name] of stale) console.error(`schemas/generated/${name} is not up to date: run bun schemas/generate.ts`);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  for (const [name, text] of stale) writeFileSync(`${here}/generated/${name}`, text);
}
