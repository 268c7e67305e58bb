/** `exec`: runs another process in a container. */
import { fail } from "../base/errors.ts";
import { parseUser } from "../base/user.ts";
import { type ExecOptions, exec } from "../lifecycle/exec.ts";
import { defineCommand } from "./command.ts";
import { pathOption, preservedFds } from "./create-flags.ts";
import { prefixed } from "./failure.ts";
import type { FlagValues } from "./flags.ts";
import { runtimeOf } from "./runtime.ts";

/** Ends an exec that could not be done, so that callers can tell it from the command's own status. */
const execFailed = 255;

const execFlags = [
  {
    name: "console-socket",
    kind: "string",
    help: "AF_UNIX socket that receives the master end of the process's terminal",
  },
  {
    name: "pidfd-socket",
    kind: "string",
    help: "AF_UNIX socket that receives a pidfd of the process",
  },
  { name: "cwd", kind: "string", help: "working directory in the container" },
  { name: "env", short: "e", kind: "strings", help: "set a variable: NAME=value (repeatable)" },
  { name: "tty", short: "t", kind: "bool", help: "give the process a terminal" },
  { name: "user", short: "u", kind: "string", help: "run as UID[:GID]" },
  {
    name: "additional-gids",
    short: "g",
    kind: "ints",
    help: "another group of the process (repeatable)",
  },
  {
    name: "process",
    short: "p",
    kind: "string",
    help: "file with the OCI process object to run; flags about the process are ignored then",
  },
  { name: "detach", short: "d", kind: "bool", help: "do not wait for the process" },
  { name: "pid-file", kind: "string", help: "file to write the pid of the process to" },
  { name: "process-label", kind: "string", help: "SELinux label of the process" },
  { name: "apparmor", kind: "string", help: "AppArmor profile of the process" },
  { name: "no-new-privs", kind: "bool", help: "set no_new_privs for the process" },
  {
    name: "cap",
    short: "c",
    kind: "strings",
    help: "add a capability to the process's bounding, effective and permitted set (repeatable)",
  },
  {
    name: "preserve-fds",
    kind: "int",
    value: 0,
    help: "pass this many more file descriptors, after stdio and $LISTEN_FDS",
  },
  {
    name: "cgroup",
    kind: "strings",
    help: "existing sub-cgroup to run in: [controller[,controller...]:]path (repeatable on v1)",
  },
  { name: "ignore-paused", kind: "bool", help: "also exec in a paused container" },
] as const;

/** `{ key: text }`, or nothing for a flag that is not given. */
function textOption<K extends string>(key: K, text: string): { readonly [P in K]?: string } {
  return text === "" ? {} : ({ [key]: text } as { readonly [P in K]?: string });
}

function boolOption<K extends string>(
  key: K,
  value: boolean | undefined,
): { readonly [P in K]?: boolean } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: boolean });
}

function checkEnv(entries: readonly string[]): void {
  for (const entry of entries) {
    if (entry.indexOf("=") <= 0) {
      throw fail("InvalidArgument", `invalid environment variable: ${entry}`, {
        hint: "write NAME=value",
      });
    }
  }
}

function checkGids(gids: readonly number[]): void {
  for (const gid of gids) {
    if (gid < 0 || gid >= 0xffff_ffff) {
      throw fail("InvalidArgument", `additional-gids must be a positive number ${gid}`);
    }
  }
}

/**
 * The lifecycle's options, each checked as far as it can be without the container.
 * @throws InvalidArgument
 */
export function execOptions(
  id: string,
  args: readonly string[],
  flags: FlagValues<typeof execFlags>,
): ExecOptions {
  if (flags.process === "" && args.length === 0) {
    throw fail("InvalidArgument", "exec args cannot be empty");
  }
  checkEnv(flags.env);
  checkGids(flags["additional-gids"]);
  if (flags.user !== "") parseUser(flags.user);
  return {
    id,
    args: [...args],
    env: [...flags.env],
    additionalGids: [...flags["additional-gids"]],
    caps: [...flags.cap],
    cgroups: [...flags.cgroup],
    detach: flags.detach === true,
    preserveFds: preservedFds(flags["preserve-fds"]),
    ignorePaused: flags["ignore-paused"] === true,
    ...pathOption("processFile", flags.process),
    ...pathOption("consoleSocket", flags["console-socket"]),
    ...pathOption("pidfdSocket", flags["pidfd-socket"]),
    ...pathOption("pidFile", flags["pid-file"]),
    ...textOption("cwd", flags.cwd),
    ...textOption("user", flags.user),
    ...textOption("processLabel", flags["process-label"]),
    ...textOption("apparmor", flags.apparmor),
    ...boolOption("tty", flags.tty),
    ...boolOption("noNewPrivs", flags["no-new-privs"]),
  };
}

export const execCommand = defineCommand({
  name: "exec",
  usage: "<container-id> <command> [command options] || tsrunc exec -p process.json <container-id>",
  description: `Runs a command in a container, with the environment, user and limits of the container's own
process unless flags say otherwise. Flags end at the id: "tsrunc exec c1 ls -l".
Ends with the status of the command, or 255 when it could not be run.`,
  flags: execFlags,
  minOperands: 1,
  maxOperands: Number.POSITIVE_INFINITY,
  placement: "leading",
  run: async (invocation, flags, [id = "", ...args]) => {
    try {
      return await exec(runtimeOf(invocation), execOptions(id, args, flags));
    } catch (error) {
      throw prefixed(error, "exec failed", execFailed);
    }
  },
});
