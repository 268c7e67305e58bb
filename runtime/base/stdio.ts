/** Writes text to a file descriptor, whole, without the stream objects of the engine (they cost 9 ms to create). */
import { readlinkSync, readSync, writeSync } from "node:fs";
import { errnoOf, wrap } from "./errors.ts";

/** Pause before writing again to a pipe that is full and non-blocking. */
const retryDelayMs = 1;

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryDelayMs);
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return false;
  }
  return true;
}

/**
 * Writes all of `text` to `fd`: short writes are continued and a full non-blocking pipe is waited for.
 * @throws the system error of write(2), EPIPE included.
 */
export function writeAll(fd: number, text: string): void {
  let done = 0;
  try {
    // Without a Buffer, whose first use costs 0.1 ms: ASCII that goes out in one write needs no more.
    done = writeSync(fd, text);
    if (done === text.length && isAscii(text)) return;
  } catch (error) {
    if (errnoOf(error) !== "EAGAIN") throw error;
    pause();
  }
  const data = Buffer.from(text);
  while (done < data.length) {
    try {
      done += writeSync(fd, data, done, data.length - done);
    } catch (error) {
      if (errnoOf(error) !== "EAGAIN") throw error;
      pause();
    }
  }
}

/**
 * Writes a command's output to standard output.
 * @throws when it cannot: output that is lost is a failure of the command.
 */
export function writeOut(text: string): void {
  try {
    writeAll(1, text);
  } catch (error) {
    throw wrap(error, { op: "write standard output" });
  }
}

/** Writes to standard error; when that is closed or broken there is nobody left to tell. */
export function writeErr(text: string): void {
  try {
    writeAll(2, text);
  } catch {
    // The exit status still tells the caller.
  }
}

/** Is this fd a terminal? Answered by name, since isatty(3) is only reachable through node:tty. */
export function isTerminal(fd: number): boolean {
  try {
    const name = readlinkSync(`/proc/self/fd/${fd}`);
    return name.startsWith("/dev/pts/") || name.startsWith("/dev/tty") || name === "/dev/console";
  } catch {
    return false;
  }
}

/**
 * Reads an open fd to its end (standard input: a pipe, possibly non-blocking) as UTF-8.
 * @throws a system error as is, or a RangeError past `maxBytes`.
 */
export function readAll(fd: number, maxBytes: number): string {
  return readAllBytes(fd, maxBytes).toString("utf8");
}

/** The same as bytes. */
export function readAllBytes(fd: number, maxBytes: number): Buffer {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const chunk = Buffer.alloc(65536);
    let count: number;
    try {
      count = readSync(fd, chunk, 0, chunk.length, null);
    } catch (error) {
      if (errnoOf(error) === "EOF") break;
      if (errnoOf(error) !== "EAGAIN") throw error;
      pause();
      continue;
    }
    if (count === 0) break;
    total += count;
    if (total > maxBytes) throw new RangeError(`more than ${maxBytes} bytes`);
    chunks.push(chunk.subarray(0, count));
  }
  return Buffer.concat(chunks, total);
}
