/**
 * Keeps the engine from raising RLIMIT_NOFILE, part of the build.
 *
 * Bun raises the soft limit to the hard one when it starts, and the kernel keeps no record of the old value, so a
 * container whose config says nothing would not get the limit that its caller has (Go restores it for its children,
 * runc's callers rely on it). The executable imports setrlimit for this purpose alone: the import is bound to
 * getrlimit, which has the same arguments and changes nothing. The addon and init bind their own.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fail } from "./base/errors.ts";

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

// elf(5), 64 bits, little endian
const SHT_DYNSYM = 11;
const SECTION_HEADER_OFFSET = 0x28;
const SECTION_HEADER_SIZE = 0x3a;
const SYMBOL_SIZE = 24;

function sections(elf: Buffer): Section[] {
  const start = Number(elf.readBigUInt64LE(SECTION_HEADER_OFFSET));
  const size = elf.readUInt16LE(SECTION_HEADER_SIZE);
  const count = elf.readUInt16LE(SECTION_HEADER_SIZE + 2);
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * size;
    return {
      type: elf.readUInt32LE(at + 4),
      offset: Number(elf.readBigUInt64LE(at + 0x18)),
      size: Number(elf.readBigUInt64LE(at + 0x20)),
      link: elf.readUInt32LE(at + 0x28),
    };
  });
}

/** In: the executable to change in place. Throws when it does not import both functions, as a new Bun may not. */
export function keepFileLimit(executable: string): void {
  const elf = readFileSync(executable);
  const all = sections(elf);
  const symbols = all.find(({ type }) => type === SHT_DYNSYM);
  const names = symbols === undefined ? undefined : all[symbols.link];
  if (symbols === undefined || names === undefined)
    throw fail("Internal", `${executable}: no dynamic symbols`);
  const nameAt = (symbol: number): string => {
    const start = names.offset + elf.readUInt32LE(symbol);
    return elf.toString("latin1", start, elf.indexOf(0, start));
  };
  let setter = -1;
  let getter = -1;
  for (let at = symbols.offset; at < symbols.offset + symbols.size; at += SYMBOL_SIZE) {
    const name = nameAt(at);
    if (name === "setrlimit") setter = at;
    if (name === "getrlimit") getter = at;
  }
  if (setter < 0 || getter < 0)
    throw fail("Internal", `${executable}: imports no setrlimit and getrlimit`);
  elf.writeUInt32LE(elf.readUInt32LE(getter), setter);
  writeFileSync(executable, elf, { mode: 0o755 });
}
