/** The command line as a whole: from arguments to an exit status. The only file that prints an uncaught error. */
import { describe, RuntimeError } from "../base/errors.ts";
import { type Logger, openLog } from "../base/log.ts";
import { writeErr } from "../base/stdio.ts";
import { parseGlobals, runCommand } from "./command-line.ts";
import { openGlobalLog } from "./global.ts";

/** Logs a failure, once, and tells the user too when the log is a file; before there is a log, it is standard error. */
function report(error: unknown, opened: Logger | undefined): number {
  const log = opened ?? openLog({ file: "", format: "text", debug: false });
  if (error instanceof RuntimeError) {
    const text = describe(error);
    log.error(text);
    if (!log.toStderr) writeErr(`${text}\n`);
    return error.exitStatus ?? 1;
  }
  // Not a failure that was foreseen: a mistake of ours, for which the stack is wanted.
  const text = `internal error: ${describe(error)}`;
  if (error instanceof Error) log.debug(error.stack ?? "");
  log.error(text);
  if (!log.toStderr) writeErr(`${text}\n`);
  return 1;
}

/** In: the arguments without the program's name. Out: its exit status; every failure has been reported. */
export async function main(argv: readonly string[]): Promise<number> {
  let log: Logger | undefined;
  try {
    const line = await parseGlobals(argv);
    if (line === undefined) return 0;
    const opened = openGlobalLog(line.globals);
    log = opened;
    const trace = line.globals.trace || process.env["TSRUNC_TRACE"];
    if (!trace) return await runCommand(line, log);
    const { traced } = await import("./trace.ts");
    return await traced(trace, log, () => runCommand(line, opened));
  } catch (error) {
    return report(error, log);
  }
}
