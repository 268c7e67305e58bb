/** The flags that `create` and `run` share, and how they become options of the lifecycle. */
import { fail } from "../base/errors.ts";
import { absolutePath } from "../base/paths.ts";
import type { CreateOptions } from "../lifecycle/create.ts";
import type { FlagValues } from "./flags.ts";

export const bundleDescription = `The bundle is a directory with a config.json and a root filesystem. config.json names
the process to run; "tsrunc spec" writes one to start from. "<container-id>" is the
name you give to the container; it is unique on the host.`;

export const createFlags = [
  {
    name: "bundle",
    short: "b",
    kind: "string",
    help: "directory of the bundle, by default the current one",
  },
  {
    name: "console-socket",
    kind: "string",
    help: "AF_UNIX socket that receives the master end of the container's terminal",
  },
  {
    name: "pidfd-socket",
    kind: "string",
    help: "AF_UNIX socket that receives a pidfd of the container's init process",
  },
  { name: "pid-file", kind: "string", help: "file to write the pid of the init process to" },
  {
    name: "no-pivot",
    kind: "bool",
    help: "do not use pivot_root, which fails when the rootfs is on a ramdisk",
  },
  {
    name: "no-new-keyring",
    kind: "bool",
    help: "keep the caller's session keyring instead of a new one",
  },
  {
    name: "preserve-fds",
    kind: "int",
    value: 0,
    help: "pass this many more file descriptors, after stdio and $LISTEN_FDS",
  },
] as const;

/** `{ key: absolute path }`, or nothing for a flag that is not given. */
export function pathOption<K extends string>(key: K, path: string): { readonly [P in K]?: string } {
  if (path === "") return {};
  return { [key]: absolutePath(path, process.cwd()) } as { readonly [P in K]?: string };
}

/**
 * Checks --preserve-fds.
 * @throws InvalidArgument when negative.
 */
export function preservedFds(count: number): number {
  if (count < 0) {
    throw fail("InvalidArgument", `--preserve-fds must not be negative: ${count}`, {
      stage: "cli",
    });
  }
  return count;
}

/** The lifecycle's options; relative paths start at the caller's working directory. */
export function createOptions(id: string, flags: FlagValues<typeof createFlags>): CreateOptions {
  return {
    id,
    bundle: absolutePath(flags.bundle, process.cwd()),
    noPivot: flags["no-pivot"] === true,
    noNewKeyring: flags["no-new-keyring"] === true,
    preserveFds: preservedFds(flags["preserve-fds"]),
    ...pathOption("consoleSocket", flags["console-socket"]),
    ...pathOption("pidfdSocket", flags["pidfd-socket"]),
    ...pathOption("pidFile", flags["pid-file"]),
  };
}
