/** The runtime's options, as they come from containerd's configuration: which there are, and how they are read. */
import { readFileSync } from "node:fs";
import { describe, fail, wrap } from "../../runtime/base/errors.ts";
import { bytesField, type Field, numberField, readFields, textField } from "./wire.ts";

/** google.protobuf.Any. */
export interface Any {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

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
const runtimeTypes = ["runtimeoptions.v1.Options", "cri.runtimeoptions.v1.Options"];
const defaultRoot = "/run/containerd/runc";

/** Type URLs come with and without a host in front. */
export function typeOf({ typeUrl }: Any): string {
  return typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
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
  if (type === runcType) return parseRuncOptions(any.value);
  if (!runtimeTypes.includes(type)) {
    throw fail("InvalidArgument", `runtime options of unknown type ${any.typeUrl}`, {
      hint: `${runcType} or ${runtimeTypes[0]} is expected`,
    });
  }
  const toml = tomlOf(readFields(any.value));
  if (toml === undefined) return defaultOptions;
  return parseTomlOptions(toml.text, toml.origin, warn);
}

// containerd/api/types/runc/options/oci.proto
const runcFields: Readonly<Record<number, keyof RuntimeOptions>> = {
  1: "noPivotRoot",
  2: "noNewKeyring",
  3: "shimCgroup",
  4: "ioUid",
  5: "ioGid",
  6: "binaryName",
  7: "root",
  9: "systemdCgroup",
};

function parseRuncOptions(message: Uint8Array): RuntimeOptions {
  const fields = readFields(message);
  const options: Mutable<RuntimeOptions> = { ...defaultOptions };
  const target = options as Record<string, string | number | boolean>;
  for (const [number, name] of Object.entries(runcFields)) {
    const kind = typeof defaultOptions[name];
    if (kind === "string") target[name] = textField(fields, Number(number));
    else if (kind === "number") target[name] = numberField(fields, Number(number)) >>> 0;
    else target[name] = numberField(fields, Number(number)) !== 0;
  }
  return options;
}

/** The body comes first: with a path in it, containerd sends only the path. */
function tomlOf(fields: readonly Field[]): { text: string; origin: string } | undefined {
  const body = bytesField(fields, 3);
  if (body !== undefined && body.length > 0) {
    return { text: textField(fields, 3), origin: "runtime options" };
  }
  const path = textField(fields, 2);
  if (path === "") return undefined;
  try {
    return { text: readFileSync(path, "utf8"), origin: path };
  } catch (error) {
    throw wrap(error, { op: "read runtime options", path });
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
