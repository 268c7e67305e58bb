/**
 * Stands in for node:fs in the executable: what the runtime uses of it, over the addon.
 *
 * Bun's own node:fs takes 0.9 ms to load, more than all other code that runs before a command; the addon takes 0.2 ms
 * and nearly every command needs it anyway. Sources import node:fs and are checked against its types; the build puts
 * this file in its place (build.ts). Every function answers as node's for the arguments it knows, with system errors
 * of the same shape, and passes other arguments on to the engine's; so does everything when there is no addon.
 */
import type * as Engine from "node:fs";
import { type NativeIo, openAddon } from "./binding.ts";

let io: NativeIo | undefined | null = null;

/** Undefined when the addon cannot be opened: errors are still to be printed then. */
function native(): NativeIo | undefined {
  if (io === null) {
    try {
      io = openAddon().io;
    } catch {
      io = undefined;
    }
  }
  return io;
}

function engine(): typeof Engine {
  return process.getBuiltinModule("node:fs");
}

// asm-generic/fcntl.h; arm64 has numbers of its own for two of them.
const arm64 = process.arch === "arm64";

export const constants = {
  O_RDONLY: 0,
  O_WRONLY: 0o1,
  O_RDWR: 0o2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_NONBLOCK: 0o4000,
  O_DIRECTORY: arm64 ? 0o40000 : 0o200000,
  O_NOFOLLOW: arm64 ? 0o100000 : 0o400000,
} as const;

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFIFO = 0o010000;

/** What is used of fs.Stats. */
class LightStats {
  readonly dev: number;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeMs: number;

  constructor(numbers: readonly number[]) {
    const [dev = 0, ino = 0, mode = 0, nlink = 0, uid = 0, gid = 0, size = 0, mtimeMs = 0] =
      numbers;
    this.dev = dev;
    this.ino = ino;
    this.mode = mode;
    this.nlink = nlink;
    this.uid = uid;
    this.gid = gid;
    this.size = size;
    this.mtimeMs = mtimeMs;
  }

  isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }

  isFile(): boolean {
    return (this.mode & S_IFMT) === S_IFREG;
  }

  isFIFO(): boolean {
    return (this.mode & S_IFMT) === S_IFIFO;
  }
}

/** What is used of fs.Dirent. */
class LightDirent {
  readonly name: string;
  readonly #directory: boolean;

  constructor(name: string, directory: boolean) {
    this.name = name;
    this.#directory = directory;
  }

  isDirectory(): boolean {
    return this.#directory;
  }
}

/** Only texts are read here: both encodings are given wherever the runtime reads a file. */
export function readFileSync(path: string, encoding: "utf8" | "latin1"): string {
  const fast = native();
  return fast === undefined
    ? engine().readFileSync(path, encoding)
    : fast.readText(path, encoding === "latin1");
}

function flagBits(flags: string | number): number | undefined {
  if (typeof flags === "number") return flags;
  if (flags === "r") return constants.O_RDONLY;
  if (flags === "a") return constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND;
  return undefined;
}

export function openSync(path: string, flags: string | number = "r", mode = 0o666): number {
  const bits = flagBits(flags);
  const fast = native();
  if (fast === undefined || bits === undefined) return engine().openSync(path, flags, mode);
  return fast.open(path, bits, mode);
}

export function closeSync(fd: number): void {
  const fast = native();
  if (fast === undefined) engine().closeSync(fd);
  else fast.close(fd);
}

function viewOf(data: Uint8Array, offset: number, length: number): Uint8Array {
  return offset === 0 && length === data.length ? data : data.subarray(offset, offset + length);
}

export function readSync(
  fd: number,
  data: Uint8Array,
  offset = 0,
  length = data.length - offset,
  position: number | null = null,
): number {
  const fast = native();
  if (fast === undefined) return engine().readSync(fd, data, offset, length, position);
  return fast.read(fd, viewOf(data, offset, length), position ?? -1);
}

export function writeSync(
  fd: number,
  data: string | Uint8Array,
  offset = 0,
  length = data.length - offset,
): number {
  const fast = native();
  if (typeof data === "string") {
    return fast === undefined ? engine().writeSync(fd, data) : fast.write(fd, data);
  }
  if (fast === undefined) return engine().writeSync(fd, data, offset, length);
  return fast.write(fd, viewOf(data, offset, length));
}

interface WriteOptions {
  readonly mode?: number;
  readonly flag?: string;
}

export function writeFileSync(
  target: string | number,
  text: string,
  options: WriteOptions = {},
): void {
  const fast = native();
  if (fast === undefined || typeof text !== "string" || options.flag !== undefined) {
    engine().writeFileSync(target, text, options);
    return;
  }
  if (typeof target === "number") {
    writeText(fast, target, text);
    return;
  }
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
  const fd = fast.open(target, flags, options.mode ?? 0o666);
  try {
    writeText(fast, fd, text);
  } finally {
    fast.close(fd);
  }
}

export function appendFileSync(path: string, text: string): void {
  const fd = openSync(path, "a");
  try {
    writeFileSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

/** Most texts go out in one write; only a rest needs to be known in bytes. */
function writeText(fast: NativeIo, fd: number, text: string): void {
  let done = fast.write(fd, text);
  if (done === text.length) return; // no character is shorter than a byte: this was all, in ASCII
  const data = new TextEncoder().encode(text);
  while (done < data.length) done += fast.write(fd, data.subarray(done));
}

interface StatOptions {
  readonly throwIfNoEntry?: boolean;
}

export function statSync(path: string, options: StatOptions = {}): LightStats | undefined {
  const fast = native();
  if (fast === undefined) return engine().statSync(path, options);
  const numbers = fast.stat(path, options.throwIfNoEntry === false);
  return numbers === undefined ? undefined : new LightStats(numbers);
}

export function fstatSync(fd: number): LightStats {
  const fast = native();
  return fast === undefined ? engine().fstatSync(fd) : new LightStats(fast.stat(fd, false) ?? []);
}

export function existsSync(path: string): boolean {
  const fast = native();
  return fast === undefined ? engine().existsSync(path) : fast.exists(path);
}

interface MkdirOptions {
  readonly recursive?: boolean;
  readonly mode?: number;
}

export function mkdirSync(path: string, options: MkdirOptions | number = {}): void {
  const fast = native();
  if (fast === undefined) {
    engine().mkdirSync(path, options);
    return;
  }
  const { recursive = false, mode = 0o777 } =
    typeof options === "number" ? { mode: options } : options;
  if (recursive) makeAll(fast, path, mode);
  else fast.mkdir(path, mode);
}

function makeAll(fast: NativeIo, path: string, mode: number): void {
  const slash = path.lastIndexOf("/");
  try {
    makeOne(fast, path, mode);
  } catch (error) {
    if (slash <= 0 || (error as { code?: unknown }).code !== "ENOENT") throw error;
    makeAll(fast, path.slice(0, slash), mode);
    // /proc says ENOENT for good
    makeOne(fast, path, mode);
  }
}

/** A directory that is there already is fine. */
function makeOne(fast: NativeIo, path: string, mode: number): void {
  try {
    fast.mkdir(path, mode);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code !== "EEXIST" || statSync(path)?.isDirectory() !== true) throw error;
  }
}

interface ReaddirOptions {
  readonly withFileTypes?: boolean;
}

export function readdirSync(path: string, options: ReaddirOptions = {}): unknown[] {
  const fast = native();
  if (fast === undefined) {
    return options.withFileTypes === true
      ? engine().readdirSync(path, { withFileTypes: true })
      : engine().readdirSync(path);
  }
  const list = fast.list(path);
  const entries: unknown[] = [];
  for (let at = 0; at < list.length; at += 2) {
    const name = String(list[at]);
    entries.push(
      options.withFileTypes === true ? new LightDirent(name, list[at + 1] === true) : name,
    );
  }
  return entries;
}

interface RmOptions {
  readonly recursive?: boolean;
  readonly force?: boolean;
}

export function rmSync(path: string, options: RmOptions = {}): void {
  const fast = native();
  if (fast === undefined) {
    engine().rmSync(path, options);
    return;
  }
  try {
    fast.unlink(path);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "ENOENT" && options.force === true) return;
    if (code !== "EISDIR" || options.recursive !== true) throw error;
    removeTree(fast, path);
  }
}

/** Links below are removed, not followed. */
function removeTree(fast: NativeIo, path: string): void {
  const list = fast.list(path);
  for (let at = 0; at < list.length; at += 2) {
    const below = `${path}/${String(list[at])}`;
    if (list[at + 1] === true) removeTree(fast, below);
    else fast.unlink(below);
  }
  fast.rmdir(path);
}

export function unlinkSync(path: string): void {
  const fast = native();
  if (fast === undefined) engine().unlinkSync(path);
  else fast.unlink(path);
}

export function rmdirSync(path: string): void {
  const fast = native();
  if (fast === undefined) engine().rmdirSync(path);
  else fast.rmdir(path);
}

export function symlinkSync(target: string, path: string): void {
  const fast = native();
  if (fast === undefined) engine().symlinkSync(target, path);
  else fast.symlink(target, path);
}

export function renameSync(from: string, to: string): void {
  const fast = native();
  if (fast === undefined) engine().renameSync(from, to);
  else fast.rename(from, to);
}

export function readlinkSync(path: string): string {
  const fast = native();
  return fast === undefined ? engine().readlinkSync(path) : fast.readLink(path);
}

export function realpathSync(path: string): string {
  const fast = native();
  return fast === undefined ? engine().realpathSync(path) : fast.realPath(path);
}

export function chmodSync(path: string, mode: number): void {
  const fast = native();
  if (fast === undefined) engine().chmodSync(path, mode);
  else fast.chmod(path, mode);
}

export function fchownSync(fd: number, uid: number, gid: number): void {
  const fast = native();
  if (fast === undefined) engine().fchownSync(fd, uid, gid);
  else fast.chown(fd, uid, gid);
}

export function statfsSync(path: string): { readonly type: number } {
  return native() === undefined ? engine().statfsSync(path) : openAddon().statfs(path);
}

// Rarely needed: a new seccomp cache entry, a cgroup that is given to a user.
export function fsyncSync(fd: number): void {
  engine().fsyncSync(fd);
}

export function chownSync(path: string, uid: number, gid: number): void {
  engine().chownSync(path, uid, gid);
}
