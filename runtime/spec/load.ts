/** Reads config.json and its parts from disk: bounded, parsed once, validated once, with errors that say where. */
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import type { Violation } from "../../schemas/explain.ts";
import type { LinuxResources, Process, Spec } from "../../schemas/generated/config.ts";
import { type Documents, validate } from "../../schemas/validate.ts";
import { errnoOf, fail, type RuntimeError, wrap } from "../base/errors.ts";
import { readAll } from "../base/stdio.ts";
import { span } from "../base/trace.ts";
import { parseJson } from "../base/u64.ts";
import { checkProcess, checkResources, checkSpec } from "./check.ts";
import { findSyntaxProblem } from "./json-syntax.ts";

/** Real configs have 10 to 100 KiB. */
const maximumBytes = 16 << 20;

/** Receives what is worth a log line but no error. */
export type Warn = (text: string) => void;

/**
 * Reads and checks `config.json` of a bundle; what comes back can be trusted in shape and meaning.
 * Relative mount destinations are made absolute, as runc does, with a warning.
 * Throws NotFound (with runc's text) or InvalidArgument.
 */
export function loadSpec(bundle: string, warn?: Warn): Spec {
  const path = `${bundle}/config.json`;
  let text: string | undefined;
  let isFile: boolean;
  try {
    const stat = statSync(path);
    isFile = stat.isFile();
    if (isFile && stat.size <= maximumBytes) text = readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw wrap(error, { op: "read", path });
    if (statSync(bundle, { throwIfNoEntry: false }) === undefined) {
      throw wrap(error, { op: "open bundle", path: bundle });
    }
    throw fail("NotFound", "JSON specification file config.json not found", {
      path,
      errno: "ENOENT",
    });
  }
  // a pipe or a device has no size to go by
  if (!isFile) text = readBounded(path, path);
  if (text === undefined) throw tooLarge("config.json");
  return parseSpec(text, warn);
}

/** loadSpec for a text that is at hand. `source` names it in errors. */
export function parseSpec(text: string, warn?: Warn, source = "config.json"): Spec {
  const spec = parseDocument("Spec", text, source);
  return finishSpec(spec, warn);
}

/**
 * Reads a process document (`exec --process`) from a path or an open fd, which may be a pipe.
 * Throws NotFound, InvalidArgument or the error of reading.
 */
export function loadProcess(file: string | number): Process {
  const source = typeof file === "string" ? file : `fd ${file}`;
  return parseProcess(readBounded(file, source), source);
}

/** loadProcess for a text that is at hand. */
export function parseProcess(text: string, source = "process"): Process {
  const process = parseDocument("Process", text, source);
  checkProcess(process);
  return process;
}

/** Parses a resources document (`update --resources`). Throws InvalidArgument. */
export function loadResources(text: string, source = "resources"): LinuxResources {
  const resources = parseDocument("LinuxResources", text, source);
  checkResources(resources);
  return resources;
}

function tooLarge(source: string): RuntimeError {
  return fail("InvalidArgument", `${source} is larger than ${maximumBytes >> 20} MiB`);
}

function readBounded(file: string | number, source: string): string {
  let fd = -1;
  try {
    fd = typeof file === "number" ? file : openSync(file, "r");
    return readAll(fd, maximumBytes);
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(source);
    throw wrap(error, { op: "read", path: source });
  } finally {
    if (fd >= 0 && fd !== file) closeSync(fd);
  }
}

function parseDocument<Name extends keyof Documents>(
  name: Name,
  text: string,
  source: string,
): Documents[Name] {
  const parsed = span("parse JSON");
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw syntaxError(text, source, error);
  }
  parsed();
  const validated = span("validate");
  validate(name, value, (violation) => violationError(violation, source));
  validated();
  // A raw NUL is no JSON; an escaped one would end every C string early (CVE-2021-43784).
  if (text.includes("\\u0000")) refuseNul(value, source);
  return value;
}

function syntaxError(text: string, source: string, cause: unknown): RuntimeError {
  const problem = findSyntaxProblem(text) ?? { line: 1, column: 1, text: "not valid JSON" };
  return fail(
    "InvalidArgument",
    `${source}:${problem.line}:${problem.column}: invalid JSON: ${problem.text}`,
    { cause },
  );
}

/** `process.args[0]`, `linux.sysctl["net.ipv4.ip_forward"]`. */
function pathText(path: readonly (string | number)[]): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else if (/^[A-Za-z_]\w*$/.test(key)) text += text === "" ? key : `.${key}`;
    else text += `[${JSON.stringify(key)}]`;
  }
  return text;
}

function foundText(found: unknown): string {
  if (Array.isArray(found)) return found.length === 0 ? "an empty array" : "an array";
  if (typeof found === "object" && found !== null) return "an object";
  if (typeof found === "string" && found.length > 60)
    return `${JSON.stringify(found.slice(0, 60))}...`;
  return typeof found === "bigint" ? String(found) : JSON.stringify(found);
}

function violationError({ path, expected, found }: Violation, source: string): RuntimeError {
  const where = path.length === 0 ? source : `${source}: ${pathText(path)}`;
  const text =
    found === undefined
      ? `${where}: missing, expected ${expected}`
      : `${where}: expected ${expected}, found ${foundText(found)}`;
  return fail("InvalidArgument", text);
}

function refuseNul(value: unknown, source: string, path: (string | number)[] = []): void {
  if (typeof value === "string" && value.includes("\0")) {
    throw fail("InvalidArgument", `${source}: ${pathText(path)}: contains a NUL byte`);
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    if (key.includes("\0")) refuseNul(key, source, [...path, key]);
    refuseNul(member, source, [...path, Array.isArray(value) ? Number(key) : key]);
  }
}

function finishSpec(spec: Spec, warn: Warn | undefined): Spec {
  const checked = span("check rules");
  checkSpec(spec, warn);
  checked();
  const { mounts } = spec;
  if (mounts === undefined || mounts.every(({ destination }) => destination.startsWith("/")))
    return spec;
  const absolute = mounts.map((mount) =>
    mount.destination.startsWith("/") ? mount : { ...mount, destination: `/${mount.destination}` },
  );
  return { ...spec, mounts: absolute };
}
