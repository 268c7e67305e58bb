/** The shim's log: lines for the `log` fifo of a bundle, which containerd reads. It must never be waited for. */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { errnoOf } from "../runtime/base/errors.ts";
import { formatLine, type Level, type Logger } from "../runtime/base/log.ts";

/** PIPE_BUF: what goes into a pipe whole or not at all. */
const longestLine = 4096;

export interface FifoLogOptions {
  readonly debug: boolean;
  /** Bundles whose fifo may have a reader, the best first. */
  readonly bundles: () => Iterable<string>;
}

/** A line that nobody takes, because containerd is down or hangs, is dropped. */
export function openFifoLog({ debug, bundles }: FifoLogOptions): Logger {
  let fd = -1;

  const open = (): void => {
    for (const bundle of bundles()) {
      try {
        fd = openSync(`${bundle}/log`, constants.O_WRONLY | constants.O_NONBLOCK);
        return;
      } catch {
        // ENXIO: nobody reads; ENOENT: the container has gone
      }
    }
  };

  const log = (level: Level, text: string): void => {
    const line = Buffer.from(`${formatLine("text", level, text, new Date())}\n`);
    const bytes = line.length > longestLine ? shorten(line) : line;
    for (let attempt = 0; attempt < 2; attempt++) {
      if (fd < 0) open();
      if (fd < 0) return;
      try {
        writeSync(fd, bytes, 0, bytes.length);
        return;
      } catch (error) {
        if (errnoOf(error) === "EAGAIN") return;
        closeSync(fd);
        fd = -1;
      }
    }
  };

  return {
    debug: (text) => {
      if (debug) log("debug", text);
    },
    info: (text) => log("info", text),
    warn: (text) => log("warning", text),
    error: (text) => log("error", text),
    toStderr: false,
  };
}

function shorten(line: Buffer): Buffer {
  const bytes = line.subarray(0, longestLine);
  bytes.write('..."\n', longestLine - 5, "latin1");
  return bytes;
}
