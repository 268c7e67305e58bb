/** Reads schemas/tsrunc/plan.json, refuses what the wire cannot express, and numbers its ABI. */
import { createHash } from "node:crypto";

export const fieldTypes = ["u32", "i32", "u64", "str", "bytes", "strs"] as const;
export type FieldType = (typeof fieldTypes)[number];

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly doc?: string;
}

export interface OpDescription {
  readonly name: string;
  readonly code: number;
  readonly doc?: string;
  readonly fields: readonly Field[];
}

export interface PlanTable {
  readonly abi: number;
  readonly ops: readonly OpDescription[];
}

/** Words which cannot be a member name in C, or have a meaning of their own in the TypeScript type. */
const reservedNames =
  "op auto break case char const continue default do double else enum extern float for goto if inline int long " +
  "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while";

function checkName(name: string, where: string): void {
  if (!/^[a-z][a-zA-Z0-9]*$/.test(name)) throw new Error(`${where}: "${name}" is not camelCase`);
  if (reservedNames.split(" ").includes(name)) throw new Error(`${where}: "${name}" is reserved`);
}

function checkOp(op: OpDescription, index: number): void {
  const where = `plan.json op ${index + 1}`;
  checkName(op.name, where);
  if (op.code !== index + 1) throw new Error(`${where} ${op.name}: codes are dense and ordered`);
  const seen: string[] = [];
  for (const field of op.fields) {
    checkName(field.name, `${where} ${op.name}`);
    if (seen.includes(field.name)) throw new Error(`${where} ${op.name}: ${field.name} twice`);
    if (!fieldTypes.includes(field.type)) {
      throw new Error(`${where} ${op.name}.${field.name}: unknown type ${field.type}`);
    }
    seen.push(field.name);
  }
}

/**
 * Parses the op table. The ABI number is the first 32 bits of a SHA-256 over names, codes and fields:
 * any change that alters the wire changes it, a change of a doc text does not.
 */
export function readPlanTable(text: string): PlanTable {
  const { ops } = JSON.parse(text) as { ops: readonly OpDescription[] };
  ops.forEach(checkOp);
  if (new Set(ops.map((op) => op.name)).size !== ops.length) {
    throw new Error("plan.json: an op name is used twice");
  }
  const canonical = ops.map((op) => [op.name, op.code, op.fields.map((f) => [f.name, f.type])]);
  const digest = createHash("sha256").update(JSON.stringify(canonical)).digest();
  return { abi: digest.readUInt32BE(0), ops };
}

/** `openRoot` -> `open_root`. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** `openRoot` -> `OpenRoot`. */
export function pascalCase(name: string): string {
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}
