/**
 * Explains what is wrong with a document, in terms of the generated table of shapes: where, what was expected, what was
 * found. Runs only after ajv has refused; nothing here decides.
 */
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

/** The first thing found wrong. */
export interface Violation {
  /** Keys and indexes from the document's root. */
  readonly path: readonly (string | number)[];
  /** What should be there: `array of strings`. */
  readonly expected: string;
  /** What is there; undefined when it is missing. */
  readonly found: unknown;
}

/** The part of ajv's error that the generated validators keep. */
export interface Refusal {
  /** JSON pointer (RFC 6901). */
  readonly instancePath: string;
  readonly keyword: string;
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

function finding(expected: string, found: unknown): Finding {
  return { path: [], expected, found };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkList(item: string, value: unknown, notEmpty: boolean): Finding | undefined {
  if (!Array.isArray(value)) return finding(expectation(`*${item}`), value);
  if (notEmpty && value.length === 0) return finding("at least one entry", value);
  for (let i = 0; i < value.length; i++) {
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
    const type = Object.hasOwn(properties, key) ? properties[key] : undefined;
    const found = type === undefined ? undefined : check(type, value[key]);
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

/** What ajv alone knows. */
function unexplained(value: unknown, { instancePath, keyword }: Refusal): Violation {
  const path: (string | number)[] = [];
  let found = value;
  for (const escaped of instancePath.split("/").slice(1)) {
    const key = escaped.replaceAll("~1", "/").replaceAll("~0", "~");
    path.push(Array.isArray(found) ? Number(key) : key);
    found = (found as JsonObject | undefined)?.[key];
  }
  return { path, expected: `a value that satisfies "${keyword}" of the schema`, found };
}

/**
 * The first thing wrong with a document that ajv refused. `name` is a row of the table; null members are gone already.
 * Where the table finds nothing, ajv's word stands.
 */
export function explain(name: string, value: unknown, refusal: Refusal): Violation {
  return check(name, value) ?? unexplained(value, refusal);
}
