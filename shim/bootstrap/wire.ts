/**
 * Protocol buffers by hand, for the few small messages of the helpers that run for each container: protobufjs takes
 * 1.5 ms to load, which is a fifth of what `start` takes. The daemon uses schemas/generated/proto.
 */
import { fail } from "../../runtime/base/errors.ts";

/** One field as it stands in a message. */
export interface Field {
  readonly number: number;
  /** A varint as signed 32 bits (no message read here has larger ones), or what has a length; undefined for others. */
  readonly value: number | Uint8Array | undefined;
}

// protobuf.dev/programming-guides/encoding
const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

class Cursor {
  readonly data: Uint8Array;
  at = 0;

  constructor(data: Uint8Array) {
    this.data = data;
  }

  /** Low 32 bits of a varint, which may have ten bytes (negative enums). */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.data[this.at++];
      if (byte === undefined) break;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw malformed();
  }

  take(length: number): Uint8Array {
    if (length < 0 || length > this.data.length - this.at) throw malformed();
    this.at += length;
    return this.data.subarray(this.at - length, this.at);
  }
}

function malformed(cause?: unknown): Error {
  return fail("InvalidArgument", "malformed protobuf message", { cause });
}

/**
 * All fields of a message in their order.
 * @throws InvalidArgument for what is no message.
 */
export function readFields(message: Uint8Array): Field[] {
  const cursor = new Cursor(message);
  const fields: Field[] = [];
  while (cursor.at < message.length) {
    const tag = cursor.varint() >>> 0;
    const number = tag >>> 3;
    if (number === 0) throw malformed();
    const type = tag & 7;
    let value: Field["value"];
    if (type === VARINT) value = cursor.varint();
    else if (type === LENGTH) value = cursor.take(cursor.varint());
    else if (type === FIXED64) cursor.take(8);
    else if (type === FIXED32) cursor.take(4);
    else throw malformed();
    fields.push({ number, value });
  }
  return fields;
}

/** The last value of a field, as proto3 has it; undefined when it is absent or no bytes. */
export function bytesField(fields: readonly Field[], number: number): Uint8Array | undefined {
  const value = fields.findLast((field) => field.number === number)?.value;
  return typeof value === "number" ? undefined : value;
}

/**
 * The last value of a text; empty when it is absent.
 * @throws InvalidArgument for bytes that are no UTF-8.
 */
export function textField(fields: readonly Field[], number: number): string {
  const bytes = bytesField(fields, number);
  if (bytes === undefined) return "";
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw malformed(cause);
  }
}

/** The last value of a number as signed 32 bits; 0 when it is absent. */
export function numberField(fields: readonly Field[], number: number): number {
  const value = fields.findLast((field) => field.number === number)?.value;
  return typeof value === "number" ? value : 0;
}

/** Builds a message; zeros and empty values are left out, as proto3 has it. */
export class MessageWriter {
  readonly #bytes: number[] = [];

  /** In: an integer from 0 to 2^53 - 1. */
  varint(number: number, value: number): this {
    if (value === 0) return this;
    this.#raw(number * 8 + VARINT);
    this.#raw(value);
    return this;
  }

  text(number: number, value: string): this {
    return value === "" ? this : this.bytes(number, new TextEncoder().encode(value));
  }

  /** Bytes, or a message in this one: written even when it has no content, since a message may be empty. */
  bytes(number: number, value: Uint8Array): this {
    this.#raw(number * 8 + LENGTH);
    this.#raw(value.length);
    for (const byte of value) this.#bytes.push(byte);
    return this;
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #raw(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes.push((rest % 0x80) + 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes.push(rest);
  }
}
