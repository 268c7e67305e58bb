/** Keeps compiled profiles on disk: compiling takes milliseconds, and profiles hardly ever differ. */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import type { Seccomp } from "../../schemas/generated/config.ts";
import type { CompiledSeccomp } from "./compile.ts";
import { seccompLibraryPath } from "./library.ts";

/** Changes whenever the same profile compiles to something else, or the layout of a file does. */
const FORMAT = 1;
const MAGIC = 0x43535254;
const HEADER_WORDS = 7;
const HEADER_SIZE = HEADER_WORDS * 4;
const MAX_FILE = 1 << 20;
/** More than any host has profiles; beyond it the cache is emptied. */
const MAX_FILES = 64;
const SAMPLES = 128;

/**
 * compileSeccomp with a cache below `stateRoot`. A hit opens neither the addon nor the compiler. The
 * cache is only ever an advantage: whatever is wrong with it, the profile is compiled.
 *
 * A file counts when it is a regular file of ours with mode 0600 and holds the very key: the profile's
 * whole text, the kernel's release and the identity of the addon, which libseccomp is linked into.
 */
export async function compileSeccompCached(
  profile: Seccomp,
  stateRoot: string,
): Promise<CompiledSeccomp> {
  const dir = `${stateRoot}/.cache/seccomp`;
  const key = attempt(() => keyOf(profile));
  const path = key === undefined ? dir : `${dir}/${nameOf(key)}`;
  const hit = key === undefined ? undefined : attempt(() => readEntry(path, key));
  if (hit !== undefined) return hit;
  const { compileSeccomp } = await import("./compile.ts");
  const compiled = compileSeccomp(profile);
  if (key !== undefined) attempt(() => writeEntry(dir, path, key, compiled));
  return compiled;
}

/** The value, or undefined when anything went wrong. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

function keyOf(profile: Seccomp): string {
  const kernel = readFileSync("/proc/sys/kernel/osrelease", "latin1");
  const addon = statSync(seccompLibraryPath());
  const identity = `${addon.dev} ${addon.ino} ${addon.size} ${addon.mtimeMs}`;
  return `${FORMAT} ${kernel}${identity}\n${textOf(profile)}`;
}

/** JSON, which cannot say bigint: the plain call is ten times as fast and nearly always enough. */
function textOf(profile: Seccomp): string {
  return (
    attempt(() => JSON.stringify(profile)) ??
    JSON.stringify(profile, (_, value) => (typeof value === "bigint" ? { u64: `${value}` } : value))
  );
}

/**
 * FNV-1a over a sample of the key and its length. It only spreads names, the key itself decides: hashing
 * all of it in an engine that has just started takes 0.3 ms, longer than all the rest.
 */
function nameOf(key: string): string {
  let a = 0x811c9dc5;
  let b = key.length;
  const stride = 1 + Math.floor(key.length / SAMPLES);
  for (let i = 0; i < key.length; i += stride) {
    a = Math.imul(a ^ key.charCodeAt(i), 0x01000193);
    b = Math.imul(b, 0x85ebca6b) ^ a;
  }
  return `${key.length.toString(16)}-${(a >>> 0).toString(16)}${(b >>> 0).toString(16)}`;
}

/** Header words: magic, format, flags, notify, sizes of filter, warnings and key; then these three. */
function readEntry(path: string, key: string): CompiledSeccomp | undefined {
  const bytes = readTrusted(path);
  if (bytes === undefined || bytes.length < HEADER_SIZE) return undefined;
  const word = (index: number): number => bytes.readUInt32LE(index * 4);
  if (word(0) !== MAGIC || word(1) !== FORMAT) return undefined;
  const warningsAt = HEADER_SIZE + word(4);
  const keyAt = warningsAt + word(5);
  if (keyAt + word(6) !== bytes.length || bytes.toString("utf8", keyAt) !== key) return undefined;
  const warnings = bytes.toString("utf8", warningsAt, keyAt);
  return {
    filter: new Uint8Array(bytes.subarray(HEADER_SIZE, warningsAt)),
    flags: word(2),
    notify: word(3) === 1,
    warnings: warnings === "" ? [] : warnings.split("\n"),
  };
}

/** The whole file, or undefined when it is not ours alone. */
function readTrusted(path: string): Buffer | undefined {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    const mine =
      stat.isFile() && (stat.mode & 0o7777) === 0o600 && stat.uid === process.geteuid?.();
    if (!mine || stat.size > MAX_FILE) return undefined;
    const bytes = Buffer.allocUnsafe(stat.size);
    return readSync(fd, bytes, 0, stat.size, 0) === stat.size ? bytes : undefined;
  } finally {
    closeSync(fd);
  }
}

function writeEntry(dir: string, path: string, text: string, compiled: CompiledSeccomp): void {
  const key = Buffer.from(text);
  const warnings = Buffer.from(compiled.warnings.join("\n"));
  const header = Buffer.alloc(HEADER_SIZE);
  const words = [MAGIC, FORMAT, compiled.flags, compiled.notify ? 1 : 0];
  words.push(compiled.filter.length, warnings.length, key.length);
  for (let i = 0; i < words.length; i++) header.writeUInt32LE(words[i] as number, i * 4);
  const bytes = Buffer.concat([header, compiled.filter, warnings, key]);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  makeRoom(dir);
  const temporary = `${path}.${process.pid}`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const fd = openSync(temporary, flags, 0o600);
  try {
    // A state root on a disk: without it a crash may leave a name for data that never came.
    const complete = writeSync(fd, bytes) === bytes.length;
    fsyncSync(fd);
    if (complete) renameSync(temporary, path);
  } finally {
    closeSync(fd);
    attempt(() => unlinkSync(temporary));
  }
}

function makeRoom(dir: string): void {
  const entries = readdirSync(dir);
  if (entries.length < MAX_FILES) return;
  for (const entry of entries) attempt(() => unlinkSync(`${dir}/${entry}`));
}
