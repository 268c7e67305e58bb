/** Runs the programs that mount and unmount FUSE file systems. */
import { closeSync, existsSync, readSync } from "node:fs";
import { fail } from "../../runtime/base/errors.ts";
import type { MountEnvironment } from "./environment.ts";

const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The first of these programs that is installed, with its path. */
export function findProgram(names: readonly string[]): string | undefined {
  const directories = (process.env["PATH"] ?? usualPath).split(":");
  for (const name of names) {
    for (const directory of directories) {
      const path = `${directory}/${name}`;
      if (directory.startsWith("/") && existsSync(path)) return path;
    }
  }
  return undefined;
}

/**
 * Runs a helper until it ends; its daemon lives on.
 * @throws RuntimeError with what the helper wrote on standard error.
 */
export async function runMountHelper(
  env: MountEnvironment,
  helper: string,
  args: readonly string[],
): Promise<void> {
  const program = findProgram([helper]);
  if (program === undefined) {
    throw fail("FailedPrecondition", `${helper} is not installed`, {
      hint: "a mount of a fuse type needs it",
    });
  }
  const { status, words } = await runProgram(env, program, args);
  if (status !== 0) {
    throw fail("Unknown", `${program}: exit status ${status}${words === "" ? "" : `: ${words}`}`);
  }
}

/** In: an absolute path. Out: exit status (128+signal) and the start of what it said on stdout and stderr. */
export async function runProgram(
  env: MountEnvironment,
  program: string,
  args: readonly string[],
): Promise<{ readonly status: number; readonly words: string }> {
  const { native, waiter } = env;
  const [output, input] = native.pipe();
  try {
    const child = spawnWith(env, program, args, input);
    try {
      await waiter.wait([child.pidfd], -1);
    } finally {
      closeSync(child.pidfd);
    }
    const status = native.waitPid(child.pid, false) ?? 0;
    return { status, words: status === 0 ? "" : textIn(env, output) };
  } finally {
    closeSync(output);
  }
}

function spawnWith(
  { native }: MountEnvironment,
  program: string,
  args: readonly string[],
  output: number,
): { readonly pid: number; readonly pidfd: number } {
  try {
    return native.spawn({
      file: program,
      argv: [program, ...args],
      env: [`PATH=${process.env["PATH"] ?? usualPath}`],
      stdio: [-1, output, output],
      keepFds: [],
      cloneFlags: 0,
      cgroupFd: -1,
    });
  } finally {
    closeSync(output);
  }
}

/** A daemon may hold the pipe open, so only what is there is read. */
function textIn({ native }: MountEnvironment, fd: number): string {
  if (native.poll([fd], 0).length === 0) return "";
  const bytes = new Uint8Array(2048);
  const length = readSync(fd, bytes);
  return new TextDecoder().decode(bytes.subarray(0, length)).trim().replaceAll("\n", "; ");
}
