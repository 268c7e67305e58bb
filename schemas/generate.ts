/** Makes schemas/generated/ from the schemas: `bun schemas/generate.ts`, or with `--check` only compares. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { planHeader } from "./generator/plan-header.ts";
import { planModule } from "./generator/plan-module.ts";
import { readPlanTable } from "./generator/plan-table.ts";
import { readProtoFiles } from "./generator/proto-files.ts";
import { messageBlocks, protoModule, staticCode } from "./generator/proto-module.ts";
import { shapesModule } from "./generator/schema-shapes.ts";
import type { Schema, SchemaSet } from "./generator/schema-types.ts";
import { typesModule } from "./generator/schema-types.ts";
import { validatorsModule } from "./generator/schema-validators.ts";

const here = import.meta.dirname;

function read(path: string): string {
  return readFileSync(`${here}/${path}`, "utf8");
}

function readSchemas(): SchemaSet {
  const names = readdirSync(`${here}/oci`).filter((name) => name.endsWith(".json"));
  return Object.fromEntries(
    names.sort().map((name) => [name, JSON.parse(read(`oci/${name}`)) as Schema]),
  );
}

/** The modules of all protobuf messages. */
async function protoModules(): Promise<Record<string, string>> {
  const names = readdirSync(`${here}/proto`).sort();
  const files = readProtoFiles(
    Object.fromEntries(names.map((name) => [name, read(`proto/${name}`)])),
  );
  const blocks = messageBlocks(await staticCode(`${here}/proto`, names));
  return Object.fromEntries(
    files.map((file) => [
      `proto/${file.name.replace(".proto", ".ts")}`,
      protoModule(file, files, blocks),
    ]),
  );
}

/** Every generated file's name and text. */
async function outputs(): Promise<Record<string, string>> {
  const table = readPlanTable(read("tsrunc/plan.json"));
  const schemas = readSchemas();
  const texts: Record<string, string> = {
    ...(await protoModules()),
    "plan.ts": planModule(table, read("generator/plan-codec.txt")),
    "plan_ops.h": planHeader(table),
  };
  for (const file of Object.keys(schemas)) {
    texts[file.replace(".json", ".ts")] = typesModule(schemas, file);
  }
  const config = schemas["config.json"] ?? {};
  texts["shapes.ts"] = shapesModule(config);
  texts["validate-config.ts"] = validatorsModule(config, ["Process", "LinuxResources"]);
  return texts;
}

function present(name: string): string | undefined {
  try {
    return read(`generated/${name}`);
  } catch {
    return undefined;
  }
}

const stale = Object.entries(await outputs()).filter(([name, text]) => present(name) !== text);
if (process.argv.includes("--check")) {
  for (const [name] of stale) {
    console.error(`schemas/generated/${name} is not up to date: run bun schemas/generate.ts`);
  }
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  for (const [name, text] of stale) writeFileSync(`${here}/generated/${name}`, text);
}
