/** `--trace FILE`: runs a command with a record of where its time goes. */
import { statSync, writeFileSync } from "node:fs";
import { describe } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { span, startTrace, traceText } from "../base/trace.ts";
import { openAddon } from "../native/binding.ts";

/**
 * In: the file; or a directory, which gets a file per process, for daemons that call us many times. The command's result
 * stands even when the file cannot be written.
 */
export async function traced(
  path: string,
  log: Logger,
  work: () => Promise<number>,
): Promise<number> {
  startTrace(() => openAddon().monotonic());
  const done = span("command");
  try {
    return await work();
  } finally {
    done();
    write(path, log);
  }
}

function write(path: string, log: Logger): void {
  const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  try {
    writeFileSync(isDirectory ? `${path}/tsrunc-${process.pid}.json` : path, traceText());
  } catch (error) {
    log.warn(`cannot write trace: ${describe(error)}`);
  }
}
