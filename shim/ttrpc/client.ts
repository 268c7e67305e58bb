/** Calls methods of a ttrpc server. A connection that is lost is not made anew: that is the caller's decision. */
import { describe, fail, type RuntimeError } from "../../runtime/base/errors.ts";
import {
  decodeResponse,
  type Response,
  writeRequest,
} from "../../schemas/generated/proto/ttrpc.ts";
import { Writer } from "../../schemas/protobuf.ts";
import { type ConnectionHandler, type Environment, FrameConnection } from "./connection.ts";
import {
  headerLength,
  maximumLength,
  putHeader,
  requestType,
  responseType,
  tooLong,
} from "./frame.ts";
import { errorOf } from "./status.ts";

export interface CallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  /** Also told to the server. Absent: for ever. */
  readonly timeoutMs?: number;
}

export interface Client {
  /**
   * Sends a request and resolves with the response's message.
   * @throws RuntimeError with the server's code and text; DeadlineExceeded after the timeout, without taking the
   * call back; Unavailable "ttrpc: closed" when the connection is gone.
   */
  call(
    service: string,
    method: string,
    payload: Uint8Array,
    options?: CallOptions,
  ): Promise<Uint8Array>;
  /** False once the connection is gone. */
  readonly open: boolean;
  /** Fails all calls under way. Idempotent. */
  close(): void;
}

interface Pending {
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (error: RuntimeError) => void;
  timer: ReturnType<typeof setTimeout> | undefined;
}

const space = new Uint8Array(headerLength);

class TtrpcClient implements Client, ConnectionHandler {
  readonly #connection: FrameConnection;
  readonly #pending = new Map<number, Pending>();
  #nextStreamId = 1;

  constructor(environment: Environment, fd: number) {
    this.#connection = new FrameConnection(environment, fd, this);
    void this.#connection.start();
  }

  get open(): boolean {
    return this.#connection.open;
  }

  call(
    service: string,
    method: string,
    payload: Uint8Array,
    options: CallOptions = {},
  ): Promise<Uint8Array> {
    const { metadata = {}, timeoutMs } = options;
    return new Promise((resolve, reject) => {
      if (!this.open) throw fail("Unavailable", "ttrpc: closed");
      const writer = Writer.create().raw(space);
      const pairs = Object.entries(metadata).map(([key, value]) => ({ key, value }));
      const timeoutNano = Math.max(0, timeoutMs ?? 0) * 1e6;
      writeRequest({ service, method, payload, timeoutNano, metadata: pairs }, writer, 0);
      const frame = writer.finish(true);
      const length = frame.length - headerLength;
      if (length > maximumLength) throw fail("ResourceExhausted", tooLong(length));
      const streamId = this.#nextStreamId;
      this.#nextStreamId += 2;
      putHeader(frame, streamId, requestType, 0);
      const pending: Pending = { resolve, reject, timer: undefined };
      this.#pending.set(streamId, pending);
      if (timeoutMs !== undefined) {
        pending.timer = setTimeout(() => this.#expire(streamId), timeoutMs);
      }
      this.#connection.send(frame);
    });
  }

  close(): void {
    this.#connection.close();
  }

  closed(): void {
    for (const streamId of [...this.#pending.keys()]) {
      this.#take(streamId)?.reject(fail("Unavailable", "ttrpc: closed"));
    }
  }

  oversize(streamId: number, length: number): void {
    this.#take(streamId)?.reject(fail("ResourceExhausted", tooLong(length)));
  }

  frame(streamId: number, type: number, _flags: number, data: Uint8Array, owned: boolean): void {
    // a reply to a call that has been given up is nobody's
    const pending = type === responseType ? this.#take(streamId) : undefined;
    if (pending === undefined) return;
    let response: Response;
    try {
      response = decodeResponse(data);
    } catch (error) {
      pending.reject(fail("Internal", `response of the server: ${describe(error)}`));
      return;
    }
    const { status, payload } = response;
    if (status !== null && status.code !== 0) pending.reject(errorOf(status));
    else pending.resolve(owned ? payload : payload.slice());
  }

  #expire(streamId: number): void {
    this.#take(streamId)?.reject(fail("DeadlineExceeded", "context deadline exceeded"));
  }

  #take(streamId: number): Pending | undefined {
    const pending = this.#pending.get(streamId);
    if (pending === undefined) return undefined;
    this.#pending.delete(streamId);
    if (pending.timer !== undefined) clearTimeout(pending.timer);
    return pending;
  }
}

/**
 * Connects to a server's unix socket.
 * @throws a system error (ENOENT, ECONNREFUSED) when nobody listens there.
 */
export function connectTtrpc(environment: Environment, path: string): Client {
  const fd = environment.native.connectStream(path);
  environment.native.setNonblocking(fd, true);
  return new TtrpcClient(environment, fd);
}
