/** Owns the few bytes of protobuf and ttrpc that the cases speak to a shim themselves, where ctr has no verb. */
import { connect, type Socket } from "node:net";

/** Field values of a message: text and bytes are length-delimited, numbers and booleans varints. */
export type Fields = readonly (readonly [
  number,
  string | Uint8Array | number | bigint | boolean,
])[];

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
}

/** Encodes a message; fields may repeat. */
export function message(fields: Fields): Buffer {
  const parts: Buffer[] = [];
  for (const [number, value] of fields) {
    if (typeof value === "string" || value instanceof Uint8Array) {
      const bytes = Buffer.from(value as string);
      parts.push(Buffer.from([...varint(BigInt(number * 8 + 2)), ...varint(BigInt(bytes.length))]));
      parts.push(bytes);
    } else {
      parts.push(Buffer.from([...varint(BigInt(number * 8)), ...varint(BigInt(value))]));
    }
  }
  return Buffer.concat(parts);
}

/** A decoded message: the last value of each field. */
export type Decoded = ReadonlyMap<number, bigint | Buffer>;

/** Decodes varint, length-delimited and fixed fields; throws on anything else. */
export function decode(bytes: Uint8Array): Decoded {
  const buffer = Buffer.from(bytes);
  const fields = new Map<number, bigint | Buffer>();
  let at = 0;
  const next = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = buffer[at++];
      if (byte === undefined) throw new Error("protobuf: ends in a varint");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < buffer.length) {
    const tag = Number(next());
    const kind = tag & 7;
    if (kind === 0) fields.set(tag >> 3, next());
    else if (kind === 2) {
      const length = Number(next());
      if (at + length > buffer.length) throw new Error("protobuf: ends in a field");
      fields.set(tag >> 3, buffer.subarray(at, at + length));
      at += length;
    } else if (kind === 1 || kind === 5) {
      at += kind === 1 ? 8 : 4;
    } else throw new Error(`protobuf: wire type ${kind}`);
  }
  return fields;
}

/** Number in a field; 0 when it is not there. */
export function numberIn(fields: Decoded, field: number): number {
  const value = fields.get(field);
  return typeof value === "bigint" ? Number(value) : 0;
}

export function textIn(fields: Decoded, field: number): string {
  const value = fields.get(field);
  return value instanceof Buffer ? value.toString("utf8") : "";
}

export const frameTypes = { request: 1, response: 2, data: 3 };

/** One ttrpc frame; `length` in place of the data's own makes a malformed one. */
export function frame(
  stream: number,
  type: number,
  data: Uint8Array,
  flags = 0,
  length = data.length,
): Buffer {
  const header = Buffer.alloc(10);
  header.writeUInt32BE(length, 0);
  header.writeUInt32BE(stream, 4);
  header[8] = type;
  header[9] = flags;
  return Buffer.concat([header, data]);
}

/** What a call came to. */
export interface Reply {
  /** 0 is OK, 5 NotFound, 6 AlreadyExists, 9 FailedPrecondition, 12 Unimplemented. */
  readonly code: number;
  readonly text: string;
  readonly payload: Decoded;
}

/** Where a shim is reached, and which version of the task service it serves. */
export interface ShimAddress {
  readonly path: string;
  readonly service: string;
}

/** A connection to a shim's socket. */
export class ShimClient {
  private readonly socket: Socket;
  private readonly waiting = new Map<number, (reply: Reply | undefined) => void>();
  private received = Buffer.alloc(0);
  private stream = 1;
  private readonly namespace: string;
  private readonly service: string;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>;

  /** `reads` false: answers are left in the socket's buffer. */
  constructor({ path, service }: ShimAddress, namespace: string, { reads = true } = {}) {
    this.namespace = namespace;
    this.service = service;
    this.socket = connect(path);
    if (reads) this.socket.on("data", (chunk: Buffer) => this.take(chunk));
    this.socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      this.socket.on("close", () => {
        for (const done of this.waiting.values()) done(undefined);
        this.waiting.clear();
        resolve();
      });
    });
  }

  /** One unary call; undefined when the shim has closed the connection instead of answering. */
  call(
    method: string,
    fields: Fields,
    options: { service?: string; timeoutNanoseconds?: bigint } = {},
  ): Promise<Reply | undefined> {
    const metadata = message([
      [1, "containerd-namespace-ttrpc"],
      [2, this.namespace],
    ]);
    const request = message([
      [1, options.service ?? this.service],
      [2, method],
      [3, message(fields)],
      [4, options.timeoutNanoseconds ?? 0n],
      [5, metadata],
    ]);
    const stream = this.stream;
    this.stream += 2;
    return this.exchange(stream, frame(stream, frameTypes.request, request));
  }

  /** Sends bytes as they are and waits for a response on the stream. */
  exchange(stream: number, bytes: Buffer): Promise<Reply | undefined> {
    if (this.socket.destroyed) return Promise.resolve(undefined);
    const reply = new Promise<Reply | undefined>((resolve) => this.waiting.set(stream, resolve));
    this.send(bytes);
    return reply;
  }

  send(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  /** Ends the connection without a goodbye. */
  vanish(): void {
    this.socket.destroy();
  }

  private take(chunk: Buffer): void {
    this.received = Buffer.concat([this.received, chunk]);
    while (this.received.length >= 10) {
      const length = this.received.readUInt32BE(0);
      if (this.received.length < 10 + length) return;
      const stream = this.received.readUInt32BE(4);
      const data = this.received.subarray(10, 10 + length);
      this.received = this.received.subarray(10 + length);
      const response = decode(data);
      const status = response.get(1);
      const error = status instanceof Buffer ? decode(status) : undefined;
      const payload = response.get(2);
      this.waiting.get(stream)?.({
        code: error === undefined ? 0 : numberIn(error, 1),
        text: error === undefined ? "" : textIn(error, 2),
        payload: payload instanceof Buffer ? decode(payload) : new Map(),
      });
      this.waiting.delete(stream);
    }
  }
}
