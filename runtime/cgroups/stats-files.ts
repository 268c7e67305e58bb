/** Parsers of the number formats that cgroup statistics come in. Pure but for the two readers. */
import type { Integer } from "../base/u64.ts";
import { readIfThere } from "./kernel-files.ts";
import type { BlkioEntry, Psi, PsiLine } from "./stats.ts";

/** An unsigned 64-bit number; `max` is 2^64-1 and the negative counts of some kernels are 0. */
export function parseCount(text: string): Integer {
  if (text === "max") return 18446744073709551615n;
  const number = Number(text);
  if (!(number > 0)) return 0;
  return number <= Number.MAX_SAFE_INTEGER ? number : BigInt(text);
}

export function readCount(path: string): Integer | undefined {
  const text = readIfThere(path);
  return text === undefined ? undefined : parseCount(text);
}

/** `key number` lines; undefined when there is no such file. */
export function readKeys(path: string): Record<string, Integer> | undefined {
  const text = readIfThere(path);
  return text === undefined ? undefined : parseKeys(text);
}

export function parseKeys(text: string): Record<string, Integer> {
  const result: Record<string, Integer> = {};
  for (const line of text.split("\n")) {
    const blank = line.indexOf(" ");
    if (blank > 0) result[line.slice(0, blank)] = parseCount(line.slice(blank + 1));
  }
  return result;
}

/** A list of cpus or nodes: `0-2,7`. */
export function parseRanges(text: string): number[] {
  const result: number[] = [];
  for (const part of text.split(",")) {
    if (part === "") continue;
    const [first, last] = part.split("-").map(Number);
    if (first === undefined) continue;
    for (let at = first; at <= (last ?? first); at++) result.push(at);
  }
  return result;
}

/** blkio lines: `8:0 Read 123`, or `8:0 123`; the lines of totals over all devices are left out. */
export function parseBlkio(text: string): BlkioEntry[] {
  const entries: BlkioEntry[] = [];
  for (const line of text.split("\n")) {
    const [device, ...rest] = line.split(" ");
    const [major, minor] = (device ?? "").split(":");
    const value = rest.at(-1);
    if (major === undefined || minor === undefined || value === undefined) continue;
    const op = rest.length > 1 ? rest[0] : undefined;
    entries.push(blkioEntry(major, minor, op, value));
  }
  return entries;
}

/** Members that are zero or empty are left out, as in runc's JSON. */
export function blkioEntry(
  major: string,
  minor: string,
  op: string | undefined,
  value: string,
): BlkioEntry {
  return {
    ...nonZero("major", parseCount(major)),
    ...nonZero("minor", parseCount(minor)),
    ...(op === undefined ? {} : { op }),
    ...nonZero("value", parseCount(value)),
  };
}

/** `{name: value}`, or nothing for zero or an unknown value: what Go's omitempty does. */
export function nonZero<K extends string>(
  name: K,
  value: Integer | undefined,
): { [name in K]?: Integer } {
  return value === undefined || Number(value) === 0
    ? {}
    : ({ [name]: value } as { [name in K]: Integer });
}

/** `{name: list}`, or nothing for an empty list. */
export function nonEmpty<K extends string, T>(
  name: K,
  list: readonly T[] | undefined,
): { [name in K]?: readonly T[] } {
  return list === undefined || list.length === 0
    ? {}
    : ({ [name]: list } as { [name in K]: readonly T[] });
}

/** `{psi}` of a .pressure file, or nothing where pressure is not accounted. */
export function readPsi(path: string): { psi?: Psi } {
  const text = readIfThere(path);
  return text === undefined ? {} : { psi: parsePsi(text) };
}

export function parsePsi(text: string): Psi {
  const none: PsiLine = { avg10: 0, avg60: 0, avg300: 0, total: 0 };
  const lines: Record<string, PsiLine> = {};
  for (const line of text.split("\n")) {
    const [kind, ...pairs] = line.split(" ");
    if (kind === undefined) continue;
    const values: Record<string, string> = {};
    for (const pair of pairs) {
      const equals = pair.indexOf("=");
      values[pair.slice(0, equals)] = pair.slice(equals + 1);
    }
    lines[kind] = {
      avg10: Number(values["avg10"] ?? 0),
      avg60: Number(values["avg60"] ?? 0),
      avg300: Number(values["avg300"] ?? 0),
      total: parseCount(values["total"] ?? "0"),
    };
  }
  return { some: lines["some"] ?? none, full: lines["full"] ?? none };
}

/**
 * Huge page sizes as the hugetlb files spell them (`2MB`), from directory names of
 * /sys/kernel/mm/hugepages.
 */
export function hugePageNames(directories: readonly string[]): string[] {
  const names: string[] = [];
  for (const directory of directories) {
    if (!directory.startsWith("hugepages-") || !directory.endsWith("kB")) continue;
    const kilobytes = Number(directory.slice(10, -2));
    if (kilobytes >= 1 << 20) names.push(`${kilobytes >> 20}GB`);
    else if (kilobytes >= 1 << 10) names.push(`${kilobytes >> 10}MB`);
    else names.push(`${kilobytes}KB`);
  }
  return names;
}
