/** The shim's entry: from containerd's command line to a helper's answer or the daemon. */
import { describe } from "../runtime/base/errors.ts";
import { writeErr } from "../runtime/base/stdio.ts";
import { type CommandLine, parseCommandLine } from "./bootstrap/flags.ts";

/**
 * In: the arguments without the program's name. Out: the exit status; every failure has been reported in one line.
 * Each action is a chunk of its own: the helpers run once or more for each container, and people wait for them.
 */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    return await act(parseCommandLine(argv));
  } catch (error) {
    // containerd merges it into the answer of `start` and shows it to the user
    writeErr(`containerd-shim-tsrunc-v2: ${describe(error)}\n`);
    return 1;
  }
}

async function act({ flags, action }: CommandLine): Promise<number> {
  if (flags.version) return (await import("./bootstrap/version.ts")).printVersion();
  if (flags.info) return (await import("./bootstrap/info.ts")).info();
  if (action === "start") return (await import("./bootstrap/start.ts")).start(flags);
  if (action === "delete") return (await import("./bootstrap/delete.ts")).remove(flags);
  return (await import("./bootstrap/daemon.ts")).daemon(flags, action);
}
