/** Serves methods over ttrpc: many calls at a time on each connection, answered in any order. */
import { describe } from "../../runtime/base/errors.ts";
import {
  decodeRequest,
  type KeyValue,
  type Request,
  writeResponse,
} from "../../schemas/generated/proto/ttrpc.ts";
import { Writer } from "../../schemas/protobuf.ts";
import { type ConnectionHandler, type Environment, FrameConnection } from "./connection.ts";
import {
  dataType,
  headerLength,
  maximumLength,
  putHeader,
  requestType,
  responseType,
  tooLong,
} from "./frame.ts";
import { acceptPeers, type ServerEnvironment } from "./listener.ts";
import { type Status, statusOf } from "./status.ts";

/** What a method knows of its caller. */
export interface Call {
  /** Names in lower case; of several values of one name the first. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Aborted at the caller's deadline, or when its connection is gone. Methods that must not be cut short ignore it. */
  readonly signal: AbortSignal;
}

/**
 * Gets the request's message and returns that of the response; what it throws becomes the status. It may go on after
 * the caller's deadline, its result is dropped then.
 */
export type Method = (payload: Uint8Array, call: Call) => Promise<Uint8Array>;

/** Methods by their bare names ("Create") by the full names of their services ("containerd.task.v2.Task"). */
export type Services = Readonly<Record<string, Readonly<Record<string, Method>>>>;

export interface Peers {
  /** Connections at present. */
  readonly connected: number;
  /** Connections so far. */
  readonly accepted: number;
}

export interface Server {
  /** Who is and was there, for the decision when to end. */
  readonly peers: Peers;
  /** Closes listener and connections. A method's reply is on its way once code runs that came after its promise. */
  close(): void;
}

/** Calls of one connection that may be under way; each waiting Wait is one. */
const callsAtOnce = 10_000;
/** Longer timers fire at once. */
const longestTimer = 2 ** 31;

const ok: Status = { code: 0, message: "" };
const space = new Uint8Array(headerLength);

/** A frame with a response. */
function responseFrame(streamId: number, status: Status, payload: Uint8Array): Uint8Array {
  const writer = Writer.create().raw(space);
  writeResponse(status.code === 0 ? { payload } : { status }, writer, 0);
  const frame = writer.finish(true);
  putHeader(frame, streamId, responseType, 0);
  return frame;
}

/** One call under way. Timers and signals exist only for those who ask for them. */
class ServerCall implements Call {
  readonly #pairs: readonly KeyValue[];
  #metadata: Map<string, string> | undefined;
  #controller: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #over = false;

  constructor(metadata: readonly KeyValue[]) {
    this.#pairs = metadata;
  }

  get metadata(): ReadonlyMap<string, string> {
    if (this.#metadata === undefined) {
      this.#metadata = new Map();
      for (const { key, value } of this.#pairs) {
        const name = key.toLowerCase();
        if (!this.#metadata.has(name)) this.#metadata.set(name, value);
      }
    }
    return this.#metadata;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#over) this.#controller.abort();
    return this.#controller.signal;
  }

  /** Calls `expired` when the caller's time is up. */
  limit(milliseconds: number, expired: () => void): void {
    this.#timer = setTimeout(expired, milliseconds);
  }

  /** The method has answered, or nobody waits for it any more; false when that was so before. */
  end(aborted: boolean): boolean {
    if (this.#over) return false;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#over = true;
    if (aborted) this.#controller?.abort();
    return true;
  }
}

class ServerConnection implements ConnectionHandler {
  readonly #services: Services;
  readonly #connection: FrameConnection;
  readonly #onClosed: (connection: ServerConnection) => unknown;
  readonly #calls = new Map<number, ServerCall>();
  #lastStreamId = 0;

  constructor(
    environment: Environment,
    fd: number,
    services: Services,
    onClosed: (connection: ServerConnection) => unknown,
  ) {
    this.#services = services;
    this.#onClosed = onClosed;
    this.#connection = new FrameConnection(environment, fd, this);
  }

  start(): void {
    void this.#connection.start();
  }

  close(): void {
    this.#connection.close();
  }

  closed(): void {
    for (const call of this.#calls.values()) call.end(true);
    this.#calls.clear();
    this.#onClosed(this);
  }

  oversize(streamId: number, length: number): void {
    this.#refuse(streamId, 8, tooLong(length));
  }

  frame(streamId: number, type: number, _flags: number, data: Uint8Array, owned: boolean): void {
    if (streamId % 2 !== 1) {
      this.#refuse(streamId, 3, "StreamID must be odd for client initiated streams");
    } else if (type === requestType) {
      this.#request(streamId, data, owned);
    } else if (type === dataType && !this.#calls.has(streamId)) {
      // there are no streaming methods: nobody waits for data
      this.#refuse(streamId, 3, "StreamID is no longer active");
    }
  }

  #request(streamId: number, data: Uint8Array, owned: boolean): void {
    if (streamId <= this.#lastStreamId) {
      this.#refuse(streamId, 3, "StreamID cannot be re-used and must increment");
      return;
    }
    this.#lastStreamId = streamId;
    let request: Request;
    try {
      request = decodeRequest(data);
    } catch (error) {
      this.#refuse(streamId, 3, `unmarshal request error: ${describe(error)}`);
      return;
    }
    const { service, method, payload } = request;
    const methods = Object.hasOwn(this.#services, service) ? this.#services[service] : undefined;
    const handler =
      methods !== undefined && Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (handler === undefined) {
      this.#refuse(streamId, 12, methods === undefined ? `service ${service}` : `method ${method}`);
    } else if (this.#calls.size >= callsAtOnce) {
      this.#refuse(streamId, 8, "too many calls at once");
    } else {
      const call = new ServerCall(request.metadata);
      this.#calls.set(streamId, call);
      const milliseconds = request.timeoutNano / 1e6;
      if (milliseconds > 0 && milliseconds < longestTimer) {
        call.limit(milliseconds, () => this.#finish(streamId, call, expired, undefined));
      }
      void this.#perform(streamId, call, handler, owned ? payload : payload.slice());
    }
  }

  async #perform(
    streamId: number,
    call: ServerCall,
    method: Method,
    payload: Uint8Array,
  ): Promise<void> {
    try {
      this.#finish(streamId, call, ok, await method(payload, call));
    } catch (error) {
      this.#finish(streamId, call, statusOf(error), undefined);
    }
  }

  /** Answers a call, unless it has been answered or has lost its connection. */
  #finish(
    streamId: number,
    call: ServerCall,
    status: Status,
    payload: Uint8Array | undefined,
  ): void {
    if (!call.end(status === expired)) return;
    this.#calls.delete(streamId);
    if (payload === undefined) {
      this.#refuse(streamId, status.code, status.message);
      return;
    }
    const frame = responseFrame(streamId, status, payload);
    const length = frame.length - headerLength;
    if (length > maximumLength) this.#refuse(streamId, 8, tooLong(length));
    else this.#connection.send(frame);
  }

  #refuse(streamId: number, code: number, message: string): void {
    this.#connection.send(responseFrame(streamId, { code, message }, space));
  }
}

const expired: Status = { code: 4, message: "context deadline exceeded" };

/**
 * Serves until it is closed. Takes the listening socket over, and refuses peers that are not of our own user and group,
 * as Go's ttrpc.UnixSocketRequireSameUser does.
 */
export function serveTtrpc(
  environment: ServerEnvironment,
  listener: number,
  services: Services,
): Server {
  const connections = new Set<ServerConnection>();
  const end = new AbortController();
  const forget = (connection: ServerConnection): boolean => connections.delete(connection);
  let accepted = 0;
  void acceptPeers(environment, listener, end.signal, (fd) => {
    const connection = new ServerConnection(environment, fd, services, forget);
    connections.add(connection);
    accepted++;
    connection.start();
  });
  return {
    get peers() {
      return { connected: connections.size, accepted };
    },
    close() {
      end.abort();
      for (const connection of connections) connection.close();
    },
  };
}
