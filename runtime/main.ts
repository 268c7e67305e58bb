/** The executable: from argv to an exit status. The only file that exits or prints an uncaught error. */
import { describe, RuntimeError } from "./base/errors.ts";
import { type Logger, openLog } from "./base/log.ts";
import { baseName } from "./base/paths.ts";
import { writeErr } from "./base/stdio.ts";
import { parseGlobals, runCommand } from "./cli/command-line.ts";
import { openGlobalLog } from "./cli/global.ts";

const shimName = "containerd-shim-tsrunc-v2";

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

async function main(argv: readonly string[]): Promise<number> {
  let log: Logger | undefined;
  try {
    const line = await parseGlobals(argv);
    if (line === undefined) return 0;
    log = openGlobalLog(line.globals);
    return await runCommand(line, log);
  } catch (error) {
    return report(error, log);
  }
}

if (baseName(process.argv0) === shimName) {
  writeErr(`${shimName}: the containerd shim is not part of this version of tsrunc\n`);
  process.exit(1);
}
process.exit(await main(process.argv.slice(2)));
