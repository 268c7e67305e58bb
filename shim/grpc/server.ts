/**
 * Serves the same methods over gRPC, for containerd 1.7 with the runtime option transport = "grpc". Load it with
 * import(): HTTP/2 costs milliseconds and megabytes that ttrpc does not.
 */
import {
  Server as GrpcServer,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { acceptPeers, type ServerEnvironment } from "../ttrpc/listener.ts";
import type { Call, Method, Server, Services } from "../ttrpc/server.ts";
import { statusOf } from "../ttrpc/status.ts";
import { SocketStream } from "./socket-stream.ts";

/** What containerd's own clients and servers take. */
const maximumMessage = 16 << 20;

type Unary = ServerUnaryCall<Buffer, Uint8Array>;

class GrpcCall implements Call {
  readonly #call: Unary;
  #controller: AbortController | undefined;

  constructor(call: Unary) {
    this.#call = call;
  }

  get metadata(): ReadonlyMap<string, string> {
    return new Map(
      Object.entries(this.#call.metadata.getMap()).map(([key, value]) => [key, String(value)]),
    );
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      this.#controller = controller;
      if (this.#call.cancelled) controller.abort();
      // comes at the deadline, too
      this.#call.once("cancelled", () => controller.abort());
    }
    return this.#controller.signal;
  }
}

function handler(method: Method) {
  return async (call: Unary, respond: sendUnaryData<Uint8Array>): Promise<void> => {
    try {
      respond(null, await method(call.request, new GrpcCall(call)));
    } catch (error) {
      const { code, message } = statusOf(error);
      respond({ code, details: message });
    }
  };
}

function definition(service: string, methods: readonly string[]): ServiceDefinition {
  const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  const asIs = (bytes: Buffer): Buffer => bytes;
  const common = {
    requestStream: false,
    responseStream: false,
    requestSerialize: toBuffer,
    requestDeserialize: asIs,
    responseSerialize: toBuffer,
    responseDeserialize: asIs,
  };
  return Object.fromEntries(
    methods.map((method) => [method, { path: `/${service}/${method}`, ...common }]),
  );
}

/** Serves until it is closed, on a listening socket that it takes over; other users' peers are refused. */
export function serveGrpc(
  environment: ServerEnvironment,
  listener: number,
  services: Services,
): Server {
  const server = new GrpcServer({
    "grpc.enable_channelz": 0,
    "grpc.max_receive_message_length": maximumMessage,
    "grpc.max_send_message_length": maximumMessage,
  });
  for (const [service, methods] of Object.entries(services)) {
    const handlers = Object.entries(methods).map(([name, method]) => [name, handler(method)]);
    server.addService(definition(service, Object.keys(methods)), Object.fromEntries(handlers));
  }
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const peers = { connected: 0, accepted: 0 };
  const end = new AbortController();
  void acceptPeers(environment, listener, end.signal, (fd) => {
    const stream = new SocketStream(environment, fd);
    peers.connected++;
    peers.accepted++;
    stream.once("close", () => peers.connected--);
    injector.injectConnection(stream);
  });
  return {
    peers,
    close() {
      end.abort();
      injector.destroy();
      server.forceShutdown();
    },
  };
}
