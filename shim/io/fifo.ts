/** Opens what stdio is connected to by path: fifos of the client, and plain files. */
import { closeSync, constants, mkdirSync, openSync, statSync } from "node:fs";
import { errnoOf, fail, wrap } from "../../runtime/base/errors.ts";

// open(2) of a fifo waits for the other end: never on the thread that serves all containers.
const READ = constants.O_RDONLY | constants.O_NONBLOCK;
const WRITE = constants.O_WRONLY | constants.O_NONBLOCK;

/** How long a client may take to open the reading end of a fifo that it has made. */
export const READER_TIMEOUT_MS = 30_000;

/** Where output goes. */
export interface Sink {
  readonly write: number;
  /**
   * The reading end of a fifo, never read: as long as it is open, a client that goes away and comes
   * back costs neither a SIGPIPE nor what is in the fifo. -1 for a file.
   */
  readonly hold: number;
}

/** The fifo a client writes a process's input to. */
export interface Source {
  readonly read: number;
  /** A writing end: a client that detaches is no end of input as long as it is open. */
  readonly hold: number;
}

/**
 * Opens the fifo or plain file that output goes to. A fifo is waited for until it has a reader.
 * @throws NotFound when nothing is there, InvalidArgument for what is neither fifo nor file,
 * DeadlineExceeded when no reader comes.
 */
export async function openSink(path: string, timeoutMs = READER_TIMEOUT_MS): Promise<Sink> {
  const stats = inspect(path);
  if (stats.isFIFO()) return openOutputFifo(path, timeoutMs);
  if (!stats.isFile()) throw fail("InvalidArgument", `${path} is neither a fifo nor a file`);
  return { write: open(path, WRITE | constants.O_APPEND), hold: -1 };
}

/**
 * Opens the file of a `file://` address, made where it is missing together with its directories.
 * @throws what the file system says.
 */
export function openLogFile(path: string): Sink {
  const directory = path.slice(0, path.lastIndexOf("/"));
  try {
    if (directory !== "") mkdirSync(directory, { recursive: true, mode: 0o755 });
    const flags = WRITE | constants.O_APPEND | constants.O_CREAT;
    return { write: openSync(path, flags, 0o644), hold: -1 };
  } catch (error) {
    throw wrap(error, { op: "open log file", path });
  }
}

/**
 * Opens the fifo that input comes from. Nobody has to have opened its other end.
 * @throws NotFound when nothing is there, InvalidArgument for what is no fifo.
 */
export function openSource(path: string): Source {
  if (!inspect(path).isFIFO()) throw fail("InvalidArgument", `${path} is not a fifo`);
  const read = open(path, READ);
  try {
    return { read, hold: open(path, WRITE) };
  } catch (error) {
    closeSync(read);
    throw error;
  }
}

async function openOutputFifo(path: string, timeoutMs: number): Promise<Sink> {
  const end = Date.now() + timeoutMs;
  let pause = 1;
  for (;;) {
    const write = tryOpenWriter(path);
    if (write >= 0) {
      try {
        return { write, hold: open(path, READ) };
      } catch (error) {
        closeSync(write);
        throw error;
      }
    }
    const left = end - Date.now();
    if (left <= 0) {
      throw fail("DeadlineExceeded", `open fifo ${path}: nobody reads it`, { path });
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(pause, left)));
    pause = Math.min(pause * 2, 50);
  }
}

/** The writing end, or -1 as long as there is no reader. */
function tryOpenWriter(path: string): number {
  try {
    return openSync(path, WRITE);
  } catch (error) {
    if (errnoOf(error) === "ENXIO") return -1;
    throw wrap(error, { op: "open fifo", path });
  }
}

function open(path: string, flags: number): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    throw wrap(error, { op: "open", path });
  }
}

function inspect(path: string): { isFIFO(): boolean; isFile(): boolean } {
  try {
    return statSync(path);
  } catch (error) {
    throw wrap(error, { op: "open", path });
  }
}
