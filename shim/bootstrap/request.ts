/**
 * What containerd says to `start` and what it wants to hear, which depends on its version:
 *
 *     containerd    on stdin           how it is recognised                          the answer on stdout
 *     1.6           Any or nothing     no MAX_SHIM_VERSION in the environment        the address
 *     1.7, 2.0-2.2  Any or nothing     MAX_SHIM_VERSION                              the address, or JSON
 *     2.3 and on    BootstrapParams    names the -id and the -namespace of the call  BootstrapResult
 */
import { fail } from "../../runtime/base/errors.ts";
import {
  decodeBootstrapParams,
  encodeBootstrapResult,
  LogLevel,
} from "../../schemas/generated/proto/bootstrap.ts";
import { type Any, decodeAny } from "../../schemas/generated/proto/wellknown.ts";
import { areOptions, decode } from "./options.ts";

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

/** What the flags say. */
interface Call {
  readonly id: string;
  readonly namespace: string;
}

/** In: the bytes of standard input. @throws InvalidArgument for a message that is neither. */
export function parseStartRequest(
  input: Uint8Array,
  call: Call,
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
  return bootstrap(input, call) ?? { ...legacy, options: decode(decodeAny, input) };
}

/**
 * Undefined for what is no BootstrapParams. Any begins with a text and bytes where this has two texts, so that either
 * parses as the other: only what the call itself says tells them apart.
 */
function bootstrap(input: Uint8Array, call: Call): StartRequest | undefined {
  let params: ReturnType<typeof decodeBootstrapParams>;
  try {
    params = decodeBootstrapParams(input);
  } catch {
    return undefined;
  }
  if (params.instanceId !== call.id || params.namespace !== call.namespace) return undefined;
  const extensions = params.extensions.flatMap(({ value }) => (value === null ? [] : [value]));
  return {
    dialect: "protobuf",
    options: extensions.find(areOptions),
    debug: params.logLevel <= LogLevel.DEBUG,
    socketDir: params.socketDir,
    ttrpcAddress: params.containerdTtrpcAddress,
    grpcAddress: params.containerdGrpcAddress,
  };
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
    return encodeBootstrapResult({ version: 3, address, protocol: transport });
  }
  if (transport === "ttrpc") return new TextEncoder().encode(address);
  if (dialect === "address") {
    throw fail("FailedPrecondition", "this containerd cannot speak gRPC to a shim", {
      hint: "remove Transport from the runtime's options",
    });
  }
  return new TextEncoder().encode(JSON.stringify({ version: 2, address, protocol: transport }));
}
