/**
 * What containerd says to `start` and what it wants to hear, which depends on its version:
 *
 *     containerd    on stdin           how it is recognised                          the answer on stdout
 *     1.6           Any or nothing     no MAX_SHIM_VERSION in the environment        the address
 *     1.7, 2.0-2.2  Any or nothing     MAX_SHIM_VERSION                              the address, or JSON
 *     2.3 and on    BootstrapParams    names the -id and the -namespace of the call  BootstrapResult
 */
import { fail } from "../../runtime/base/errors.ts";
import { type Any, typeOf } from "./options.ts";
import {
  bytesField,
  type Field,
  MessageWriter,
  numberField,
  readFields,
  textField,
} from "./wire.ts";

export type Dialect = "address" | "json" | "protobuf";

export interface StartRequest {
  readonly dialect: Dialect;
  readonly options: Any | undefined;
  /** Asked for in the request; -debug says it otherwise. */
  readonly debug: boolean;
  /** Where sockets go; empty for the default. */
  readonly socketDir: string;
  /** containerd's ttrpc and gRPC sockets; empty when only the environment and the flags say it. */
  readonly ttrpcAddress: string;
  readonly grpcAddress: string;
}

const runcOptions = "containerd.runc.v1.Options";
const runtimeOptions = "runtimeoptions.v1.Options";

/** In: the bytes of standard input. @throws InvalidArgument for a message that is neither. */
export function parseStartRequest(
  input: Uint8Array,
  call: { readonly id: string; readonly namespace: string },
  env: Readonly<Record<string, string | undefined>>,
): StartRequest {
  const dialect = env["MAX_SHIM_VERSION"] === undefined ? "address" : "json";
  const legacy = {
    dialect,
    debug: false,
    socketDir: "",
    ttrpcAddress: "",
    grpcAddress: "",
  } as const;
  if (input.length === 0) return { ...legacy, options: undefined };
  const fields = readFields(input);
  // Both messages begin with a text and bytes or a text, so that either parses as the other: only what the call itself
  // says tells them apart.
  if (bytesIs(fields, 1, call.id) && bytesIs(fields, 2, call.namespace)) return bootstrap(fields);
  return { ...legacy, options: anyOf(fields) };
}

function bytesIs(fields: readonly Field[], number: number, text: string): boolean {
  const bytes = bytesField(fields, number);
  return bytes !== undefined && new TextDecoder().decode(bytes) === text;
}

/** containerd.runtime.bootstrap.v1.BootstrapParams. */
function bootstrap(fields: readonly Field[]): StartRequest {
  const extensions = fields
    .filter(({ number, value }) => number === 8 && value instanceof Uint8Array)
    .map(({ value }) =>
      parseAny(bytesField(readFields(value as Uint8Array), 1) ?? new Uint8Array()),
    );
  return {
    dialect: "protobuf",
    options: extensions.find((any) => [runcOptions, runtimeOptions].includes(typeOf(any))),
    // slog's levels: -4 is debug, -8 is trace
    debug: numberField(fields, 3) <= -4,
    socketDir: textField(fields, 9),
    ttrpcAddress: textField(fields, 5),
    grpcAddress: textField(fields, 6),
  };
}

/** google.protobuf.Any. @throws InvalidArgument for what is no message. */
export function parseAny(message: Uint8Array): Any {
  return anyOf(readFields(message));
}

function anyOf(fields: readonly Field[]): Any {
  return { typeUrl: textField(fields, 1), value: bytesField(fields, 2) ?? new Uint8Array() };
}

/**
 * The answer to `start`. Without being asked for gRPC it is the plain address wherever that is understood (task API v2
 * over ttrpc): containerd 1.7 refuses version 3, 2.0 to 2.2 do not, and nothing in the call tells them apart.
 * @throws FailedPrecondition for gRPC with containerd 1.6.
 */
export function startAnswer(
  dialect: Dialect,
  transport: "ttrpc" | "grpc",
  path: string,
): Uint8Array {
  // containerd dials a gRPC address as it is, without looking for a scheme
  const address = transport === "grpc" ? path : `unix://${path}`;
  if (dialect === "protobuf") {
    return new MessageWriter().varint(1, 3).text(2, address).text(3, transport).finish();
  }
  if (transport === "ttrpc") return new TextEncoder().encode(address);
  if (dialect === "address") {
    throw fail("FailedPrecondition", "this containerd cannot speak gRPC to a shim", {
      hint: "remove Transport from the runtime's options",
    });
  }
  return new TextEncoder().encode(JSON.stringify({ version: 2, address, protocol: transport }));
}
