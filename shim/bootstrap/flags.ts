/** The shim's command line, in the style of Go's flag package, which containerd speaks. */
import { fail } from "../../runtime/base/errors.ts";
import { checkContainerId } from "../../runtime/base/ids.ts";

/** What containerd passes (and what it may pass one day to any shim); flags that are not given are empty. */
export interface Flags {
  readonly namespace: string;
  readonly id: string;
  /** containerd's own gRPC socket. */
  readonly address: string;
  /** Path of containerd, for `publish`. */
  readonly publishBinary: string;
  readonly bundle: string;
  /** Of the daemon: the socket that fd 3 listens on. */
  readonly socket: string;
  readonly debugSocket: string;
  /** Of the daemon: what is spoken on the socket, `ttrpc` or `grpc`. */
  readonly transport: string;
  readonly debug: boolean;
  readonly info: boolean;
  readonly version: boolean;
}

export interface CommandLine {
  readonly flags: Flags;
  /** `start`, `delete`, or empty for the daemon. */
  readonly action: string;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type TextFlag = Exclude<keyof Flags, "debug" | "info" | "version">;

const textFlags: Readonly<Record<string, TextFlag>> = {
  namespace: "namespace",
  id: "id",
  address: "address",
  "publish-binary": "publishBinary",
  bundle: "bundle",
  socket: "socket",
  "debug-socket": "debugSocket",
  transport: "transport",
};

const boolFlags: Readonly<Record<string, "debug" | "info" | "version">> = {
  debug: "debug",
  info: "info",
  v: "version",
  version: "version",
};

// strconv.ParseBool
const trueWords = ["1", "t", "T", "true", "TRUE", "True"];
const falseWords = ["0", "f", "F", "false", "FALSE", "False"];

/**
 * Flags, then the action. One dash or two; the value of a text follows as the next argument or after `=`, that of a
 * switch only after `=`. Flags end at the first argument without a dash, or after `--`.
 * @throws InvalidArgument in Go's words.
 */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const flags: Mutable<Flags> = {
    namespace: "",
    id: "",
    address: "",
    publishBinary: "",
    bundle: "",
    socket: "",
    debugSocket: "",
    transport: "",
    debug: false,
    info: false,
    version: false,
  };
  let at = 0;
  for (; at < argv.length; at++) {
    const argument = argv[at] ?? "";
    if (argument.length < 2 || !argument.startsWith("-")) break;
    if (argument === "--") {
      at++;
      break;
    }
    const { name, value } = splitFlag(argument);
    const text = Object.hasOwn(textFlags, name) ? textFlags[name] : undefined;
    const bool = Object.hasOwn(boolFlags, name) ? boolFlags[name] : undefined;
    if (bool !== undefined) {
      flags[bool] = value === undefined || boolValue(name, value);
    } else if (text === undefined) {
      throw fail("InvalidArgument", `flag provided but not defined: -${name}`);
    } else if (value !== undefined) {
      flags[text] = value;
    } else {
      at++;
      if (at >= argv.length) throw fail("InvalidArgument", `flag needs an argument: -${name}`);
      flags[text] = argv[at] ?? "";
    }
  }
  return { flags, action: argv[at] ?? "" };
}

function splitFlag(argument: string): { name: string; value: string | undefined } {
  const body = argument.slice(argument.startsWith("--") ? 2 : 1);
  if (body.startsWith("-") || body.startsWith("=")) {
    throw fail("InvalidArgument", `bad flag syntax: ${argument}`);
  }
  const equals = body.indexOf("=");
  return equals === -1
    ? { name: body, value: undefined }
    : { name: body.slice(0, equals), value: body.slice(equals + 1) };
}

function boolValue(name: string, value: string): boolean {
  if (trueWords.includes(value)) return true;
  if (falseWords.includes(value)) return false;
  throw fail("InvalidArgument", `invalid boolean value ${JSON.stringify(value)} for -${name}`);
}

/**
 * A namespace becomes part of paths, as an id does, and has the same form.
 * @throws InvalidArgument, with Go's words for an empty one.
 */
export function checkNamespace(namespace: string): void {
  if (namespace === "") throw fail("InvalidArgument", "shim namespace cannot be empty");
  try {
    checkContainerId(namespace);
  } catch (cause) {
    throw fail("InvalidArgument", `invalid namespace ${JSON.stringify(namespace)}`, { cause });
  }
}

/** @throws InvalidArgument when namespace or id is missing, or could leave its directory. */
export function checkTarget(flags: Flags): void {
  checkNamespace(flags.namespace);
  if (flags.id === "") throw fail("InvalidArgument", "shim id cannot be empty");
  checkContainerId(flags.id);
}
