/** The runtime's options, as they come from containerd's configuration: which there are, and how they are read. */
import { readFileSync } from "node:fs";
import { describe, fail, wrap } from "../../runtime/base/errors.ts";
import { decodeOptions as decodeRuncOptions } from "../../schemas/generated/proto/runc-options.ts";
import { decodeOptions as decodeTomlOptions } from "../../schemas/generated/proto/runtime-options.ts";
import type { Any } from "../../schemas/generated/proto/wellknown.ts";

/** Empty texts and zeros are what was not said. Create writes them to options.json in the bundle, for `delete`. */
export interface RuntimeOptions {
  readonly noPivotRoot: boolean;
  readonly noNewKeyring: boolean;
  /** Cgroup to put the shim in. */
  readonly shimCgroup: string;
  /** Owner of the container's stdio. */
  readonly ioUid: number;
  readonly ioGid: number;
  /** For runc's shim: a runtime to execute. Containers are hosted in the shim here. */
  readonly binaryName: string;
  /** Parent of the state roots, one a namespace. */
  readonly root: string;
  readonly systemdCgroup: boolean;
  /** One shim for all containers of a containerd namespace. */
  readonly shimGroup?: "namespace";
  readonly transport?: "ttrpc" | "grpc";
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const defaultOptions: RuntimeOptions = {
  noPivotRoot: false,
  noNewKeyring: false,
  shimCgroup: "",
  ioUid: 0,
  ioGid: 0,
  binaryName: "",
  root: "",
  systemdCgroup: false,
};

const runcType = "containerd.runc.v1.Options";
/** The second is what containerd 1.6 calls it. */
const tomlTypes = ["runtimeoptions.v1.Options", "cri.runtimeoptions.v1.Options"];
const defaultRoot = "/run/containerd/runc";

/** Type URLs come with and without a host in front. */
function typeOf({ typeUrl }: Any): string {
  return typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
}

/** Are these runtime options? */
export function areOptions(any: Any): boolean {
  return typeOf(any) === runcType || tomlTypes.includes(typeOf(any));
}

/**
 * Reads runtime options: runc's own message, or runtimeoptions.v1.Options, which has the TOML of the runtime's section
 * of containerd's config.toml, or the path of a TOML file.
 * @param warn gets a line for each key that is not known.
 * @throws InvalidArgument for a message of another type, TOML that does not parse, or a value of a wrong type, with the
 * name of its key.
 */
export async function parseRuntimeOptions(
  any: Any | undefined,
  warn: (text: string) => void,
): Promise<RuntimeOptions> {
  if (any === undefined || typeOf(any) === "") return defaultOptions;
  const type = typeOf(any);
  if (type === runcType) return fromRunc(any.value);
  if (!tomlTypes.includes(type)) {
    throw fail("InvalidArgument", `runtime options of unknown type ${any.typeUrl}`, {
      hint: `${runcType} or ${tomlTypes[0]} is expected`,
    });
  }
  const toml = tomlOf(any.value);
  if (toml === undefined) return defaultOptions;
  return parseTomlOptions(toml.text, toml.origin, warn);
}

function fromRunc(message: Uint8Array): RuntimeOptions {
  const { noPivotRoot, noNewKeyring, shimCgroup, ioUid, ioGid, binaryName, root, systemdCgroup } =
    decode(decodeRuncOptions, message);
  return { noPivotRoot, noNewKeyring, shimCgroup, ioUid, ioGid, binaryName, root, systemdCgroup };
}

/** @throws InvalidArgument for bytes that are no such message. */
export function decode<T>(decoder: (message: Uint8Array) => T, message: Uint8Array): T {
  try {
    return decoder(message);
  } catch (error) {
    throw wrap(error, { op: "decode message", code: "InvalidArgument" });
  }
}

/** The body comes first: with a path in it, containerd sends only the path. */
function tomlOf(message: Uint8Array): { text: string; origin: string } | undefined {
  const { configBody, configPath } = decode(decodeTomlOptions, message);
  if (configBody.length > 0) {
    return { text: new TextDecoder().decode(configBody), origin: "runtime options" };
  }
  if (configPath === "") return undefined;
  try {
    return { text: readFileSync(configPath, "utf8"), origin: configPath };
  } catch (error) {
    throw wrap(error, { op: "read runtime options", path: configPath });
  }
}

/** Keys as in config.toml (`SystemdCgroup`) or as in the message (`systemd_cgroup`). */
const keys: Readonly<Record<string, keyof RuntimeOptions>> = {
  nopivotroot: "noPivotRoot",
  nonewkeyring: "noNewKeyring",
  shimcgroup: "shimCgroup",
  iouid: "ioUid",
  iogid: "ioGid",
  binaryname: "binaryName",
  root: "root",
  systemdcgroup: "systemdCgroup",
  shimgroup: "shimGroup",
  transport: "transport",
};

/** Fields of runtimeoptions.v1.Options, in the same section, and what only checkpoints with CRIU need. */
const otherKeys = [
  "typeurl",
  "configpath",
  "configbody",
  "criupath",
  "criuimagepath",
  "criuworkpath",
];

/** The texts that these may be. */
const words: Readonly<Record<string, readonly string[]>> = {
  shimGroup: ["namespace"],
  transport: ["ttrpc", "grpc"],
};

async function parseTomlOptions(
  text: string,
  origin: string,
  warn: (text: string) => void,
): Promise<RuntimeOptions> {
  const { parse } = await import("smol-toml");
  let table: Readonly<Record<string, unknown>>;
  try {
    table = parse(text);
  } catch (error) {
    // the parser draws a picture of the place below the first line
    const [line = ""] = describe(error).split("\n");
    throw fail("InvalidArgument", `${origin}: ${line}`);
  }
  const options: Mutable<RuntimeOptions> = { ...defaultOptions };
  const target = options as Record<string, unknown>;
  for (const [key, value] of Object.entries(table)) {
    const plain = key.toLowerCase().replaceAll("_", "");
    const name = Object.hasOwn(keys, plain) ? keys[plain] : undefined;
    if (name !== undefined) target[name] = checked(origin, key, name, value);
    else if (!otherKeys.includes(plain)) warn(`${origin}: unknown key ${key} is ignored`);
  }
  if (target["shimGroup"] === "") delete options.shimGroup;
  if (target["transport"] === "") delete options.transport;
  return options;
}

function checked(
  origin: string,
  key: string,
  name: keyof RuntimeOptions,
  value: unknown,
): string | number | boolean {
  const expected = typeof (defaultOptions[name] ?? "");
  if (typeof value !== expected) {
    throw fail("InvalidArgument", `${origin}: ${key} must be a ${expected}`);
  }
  if (typeof value === "number" && !(Number.isInteger(value) && value >= 0 && value < 2 ** 32)) {
    throw fail("InvalidArgument", `${origin}: ${key} must be from 0 to 4294967295`);
  }
  const allowed = words[name];
  if (allowed !== undefined && value !== "" && !allowed.includes(String(value))) {
    throw fail("InvalidArgument", `${origin}: ${key} must be ${allowed.join(" or ")}`);
  }
  return value as string | number | boolean;
}

/** Where the states of a namespace's containers lie: in the CLI's own format, `--root` for it. */
export function stateRoot({ root }: Pick<RuntimeOptions, "root">, namespace: string): string {
  return `${root === "" ? defaultRoot : root}/${namespace}`;
}

/**
 * Does this path name a systemd unit, `slice:prefix:name`? Options say so only for runtimes that containerd calls
 * io.containerd.runc.v2; with any other name the form of linux.cgroupsPath is all there is.
 */
export function isSystemdPath(cgroupsPath: string | undefined): boolean {
  const parts = cgroupsPath?.split(":") ?? [];
  return parts.length === 3 && !parts.some((part) => part.includes("/"));
}
