/** The flags before the command, and what follows from them: the log and the state root. */
import { chmodSync, mkdirSync } from "node:fs";
import { fail, wrap } from "../base/errors.ts";
import { type Logger, openLog } from "../base/log.ts";
import { absolutePath } from "../base/paths.ts";
import { inUserNamespace } from "../host/user-namespace.ts";
import type { FlagValues } from "./flags.ts";

export const globalFlags = [
  { name: "debug", kind: "bool", help: "log debug messages too" },
  { name: "log", kind: "string", help: "append log lines to this file (default: standard error)" },
  { name: "log-format", kind: "string", value: "text", help: "format of log lines: text or json" },
  { name: "root", kind: "string", help: "directory that keeps the state of containers" },
  {
    name: "systemd-cgroup",
    kind: "bool",
    help: "let systemd make cgroups; cgroupsPath then has the form slice:prefix:name",
  },
  {
    name: "rootless",
    kind: "string",
    value: "auto",
    help: "tolerate that cgroups cannot be changed: true, false or auto",
  },
  {
    name: "trace",
    kind: "string",
    help: "write where the time went to this file, as Chrome trace events ($TSRUNC_TRACE)",
  },
  // Callers of the containerd 1.6 era pass the path of criu.
  { name: "criu", kind: "string", help: "" },
  { name: "version", short: "v", kind: "bool", help: "print the version" },
] as const;

export type GlobalValues = FlagValues<typeof globalFlags>;

/**
 * Opens the log that the global flags ask for.
 * @throws InvalidArgument for an unknown format, or when the file cannot be opened.
 */
export function openGlobalLog(globals: GlobalValues): Logger {
  const format = globals["log-format"];
  if (format !== "text" && format !== "json" && format !== "") {
    throw fail("InvalidArgument", `invalid log-format: ${format}`, {
      hint: "it is text or json",
      stage: "cli",
    });
  }
  return openLog({
    file: globals.log,
    format: format === "json" ? "json" : "text",
    debug: globals.debug === true,
  });
}

/** `--rootless`: as runc, an empty value means auto and Go's spellings of booleans are taken. */
export function rootlessMode(text: string): "true" | "false" | "auto" {
  switch (text.toLowerCase()) {
    case "":
    case "auto":
      return "auto";
    case "1":
    case "t":
    case "true":
      return "true";
    case "0":
    case "f":
    case "false":
      return "false";
    default:
      throw fail("InvalidArgument", `invalid value "${text}" for --rootless`, {
        hint: "it is true, false or auto",
        stage: "cli",
      });
  }
}

const defaultRoot = "/run/tsrunc";

/**
 * Where state is kept when --root is not given: $XDG_RUNTIME_DIR/tsrunc for users and for the root of a user
 * namespace, /run/tsrunc otherwise. The XDG directory is created 0700 with the sticky bit, which exempts it
 * from automatic cleaning (XDG base directory specification).
 */
function defaultStateRoot(): string {
  const runtimeDir = process.env["XDG_RUNTIME_DIR"] ?? "";
  if (runtimeDir === "") return defaultRoot;
  if (process.geteuid?.() === 0 && (process.env["USER"] === "root" || !inUserNamespace())) {
    return defaultRoot;
  }
  const root = `${runtimeDir}/tsrunc`;
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 });
    chmodSync(root, 0o1700);
  } catch (error) {
    throw wrap(error, {
      op: "create state root",
      path: root,
      stage: "cli",
      hint: "the directory in $XDG_RUNTIME_DIR must be writable for this user",
    });
  }
  return root;
}

/**
 * The absolute state root.
 * @throws InvalidArgument for "/": containers would be mixed up with the directories of the host.
 */
export function stateRoot(globals: GlobalValues, given: boolean): string {
  if (!given) return defaultStateRoot();
  const root = absolutePath(globals.root, process.cwd());
  if (root === "/") {
    throw fail("InvalidArgument", "Option --root argument should not be set to /", {
      stage: "cli",
    });
  }
  return root;
}
