/**
 * Checks parsed JSON against the generated table of shapes.
 *
 * Every create does this in a cold process, so code size counts. Median of load and first run, Bun executable, a config of
 * dockerd's kind: ajv's standalone code (150 kB) takes 3.0 ms, 0.4 ms with --bytecode; this table and its walker (10 kB) take
 * 0.7 ms, 0.4 ms with --bytecode. A test holds both to the same verdict.
 */
import type { LinuxResources, Process, Spec } from "./generated/config.ts";
import { shapesText } from "./generated/shapes.ts";

/**
 * One row of the table. A property's type is "string", "boolean" or the name of a row; in front of that "*" means a list,
 * "+" a list that is not empty, "%" an object with free keys.
 */
export interface Shape {
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, string>>;
  readonly oneOf?: readonly string[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** The shapes that documents have as a whole. */
export interface Documents {
  readonly Spec: Spec;
  readonly Process: Process;
  readonly LinuxResources: LinuxResources;
}

/** The first thing found wrong. */
export interface Violation {
  /** Keys and indexes from the document's root. */
  readonly path: readonly (string | number)[];
  /** What should be there: `array of strings`. */
  readonly expected: string;
  /** What is there; undefined when it is missing. */
  readonly found: unknown;
}

let table: Readonly<Record<string, Shape>> | undefined;

function shapeOf(type: string): Shape | undefined {
  table ??= JSON.parse(shapesText) as Readonly<Record<string, Shape>>;
  return table[type];
}

interface Finding {
  path: (string | number)[];
  expected: string;
  found: unknown;
}

type JsonObject = Record<string, unknown>;

/** Nesting allowed in properties that the specification does not know. */
const maximumDepth = 64;

function finding(expected: string, found: unknown): Finding {
  return { path: [], expected, found };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function tooDeep(value: unknown, left: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (left === 0) return true;
  for (const key in value) if (tooDeep((value as JsonObject)[key], left - 1)) return true;
  return false;
}

function checkList(item: string, value: unknown, notEmpty: boolean): Finding | undefined {
  if (!Array.isArray(value)) return finding(expectation(`*${item}`), value);
  if (notEmpty && value.length === 0) return finding("at least one entry", value);
  for (let i = 0; i < value.length; i++) {
    // Lists of names are long in seccomp profiles: no call for those.
    if (item === "string" && typeof value[i] === "string") continue;
    const found = check(item, value[i]);
    if (found !== undefined) {
      found.path.unshift(i);
      return found;
    }
  }
  return undefined;
}

function checkMap(item: string, value: unknown): Finding | undefined {
  if (!isObject(value)) return finding("object", value);
  for (const key in value) {
    if (value[key] === null) {
      delete value[key];
      continue;
    }
    const found = check(item, value[key]);
    if (found !== undefined) {
      found.path.unshift(key);
      return found;
    }
  }
  return undefined;
}

function checkProperties(
  properties: Readonly<Record<string, string>>,
  required: readonly string[],
  value: unknown,
): Finding | undefined {
  if (!isObject(value)) return finding("object", value);
  for (const key in value) {
    const member = value[key];
    const type = Object.hasOwn(properties, key) ? properties[key] : undefined;
    let found: Finding | undefined;
    if (type === undefined) {
      if (tooDeep(member, maximumDepth)) found = finding("less nesting", member);
    } else if (member === null) {
      // Go programs write null for what they left out.
      delete value[key];
    } else if (typeof member !== type) {
      // "string" and "boolean" are settled by the comparison.
      found = check(type, member);
    }
    if (found !== undefined) {
      found.path.unshift(key);
      return found;
    }
  }
  for (const key of required) {
    if (!Object.hasOwn(value, key)) {
      const type = properties[key] ?? "";
      return { path: [key], expected: expectation(type), found: undefined };
    }
  }
  return undefined;
}

/** Bounds of 64 bits are one above what they mean once they are doubles. */
function inRange(minimum: number, maximum: number, value: number | bigint): boolean {
  return (
    value >= minimum && (maximum > Number.MAX_SAFE_INTEGER ? value < maximum : value <= maximum)
  );
}

function satisfies(shape: Shape, value: unknown): boolean {
  if (shape.maximum !== undefined && shape.minimum !== undefined) {
    const isInteger = typeof value === "bigint" || Number.isInteger(value);
    return isInteger && inRange(shape.minimum, shape.maximum, value as number | bigint);
  }
  if (typeof value !== "string") return false;
  if (shape.oneOf !== undefined) return shape.oneOf.includes(value);
  return shape.pattern === undefined || new RegExp(shape.pattern).test(value);
}

function check(type: string, value: unknown): Finding | undefined {
  switch (type) {
    case "string":
    case "boolean":
      return typeof value === type ? undefined : finding(expectation(type), value);
  }
  switch (type[0]) {
    case "*":
      return checkList(type.slice(1), value, false);
    case "+":
      return checkList(type.slice(1), value, true);
    case "%":
      return checkMap(type.slice(1), value);
  }
  const shape = shapeOf(type) as Shape;
  if (shape.properties !== undefined) {
    return checkProperties(shape.properties, shape.required ?? [], value);
  }
  return satisfies(shape, value) ? undefined : finding(expectation(type), value);
}

/** Names a type in an error text. */
function expectation(type: string): string {
  const rest = type.slice(1);
  switch (type[0]) {
    case "*":
    case "+":
      return rest === "string"
        ? "array of strings"
        : rest.startsWith("uint")
          ? "array of integers"
          : "array of objects";
    case "%":
      return "object";
  }
  const shape = shapeOf(type);
  if (shape === undefined) return type;
  if (shape.oneOf !== undefined)
    return `one of ${shape.oneOf.filter((name) => name !== "").join(", ")}`;
  if (shape.pattern !== undefined) return `string matching ${shape.pattern}`;
  if (shape.minimum === undefined) return "object";
  return integerExpectation(shape.minimum, shape.maximum ?? 0);
}

function integerExpectation(minimum: number, maximum: number): string {
  if (maximum <= Number.MAX_SAFE_INTEGER) return `integer from ${minimum} to ${maximum}`;
  return minimum < 0 ? "64-bit integer" : "unsigned 64-bit integer";
}

/**
 * Checks a document fresh from parseJson and removes null members of it, which mean "absent".
 * Calls `refuse` with the first violation and throws what that returns.
 */
export function validate<Name extends keyof Documents>(
  name: Name,
  value: unknown,
  refuse: (violation: Violation) => Error,
): asserts value is Documents[Name] {
  const found = check(name, value);
  if (found !== undefined) throw refuse(found);
}
