/**
 * ttrpc's frames: ten bytes of header (length of the data, stream id, type, flags; big endian), then the data.
 * Source: containerd/ttrpc PROTOCOL.md and channel.go.
 */

export const headerLength = 10;
/** Longer data is discarded and refused, in both directions. */
export const maximumLength = 4 << 20;

export const requestType = 1;
export const responseType = 2;
export const dataType = 3;

/** How Go words it; the code is ResourceExhausted. */
export function tooLong(length: number): string {
  return `message length ${length} exceed maximum message size of ${maximumLength}`;
}

/** Writes a frame's header into the first ten bytes. */
export function putHeader(bytes: Uint8Array, streamId: number, type: number, flags: number): void {
  const length = bytes.length - headerLength;
  bytes[0] = length >>> 24;
  bytes[1] = length >>> 16;
  bytes[2] = length >>> 8;
  bytes[3] = length;
  bytes[4] = streamId >>> 24;
  bytes[5] = streamId >>> 16;
  bytes[6] = streamId >>> 8;
  bytes[7] = streamId;
  bytes[8] = type;
  bytes[9] = flags;
}

export interface FrameHandler {
  /** `data` may be overwritten after the call, unless `owned`. */
  frame(streamId: number, type: number, flags: number, data: Uint8Array, owned: boolean): void;
  /** A frame of more than 4 MiB came; its data is being skipped. */
  oversize(streamId: number, length: number): void;
}

function u32(bytes: Uint8Array, at: number): number {
  const word =
    ((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0);
  return word >>> 0;
}

/**
 * Cuts a stream of bytes into frames. Whoever reads asks for `target` and `offset`, reads there, and tells how much it
 * was. Small frames are handed out where they were read; one that is not complete yet gets memory of its own, into
 * which the rest is then read.
 */
export class FrameParser {
  readonly #handler: FrameHandler;
  /** May be shared by parsers: nothing stays in it. */
  readonly #scratch: Uint8Array;
  readonly #header = new Uint8Array(headerLength);
  #headerFilled = 0;
  #body: Uint8Array | undefined;
  #bodyFilled = 0;
  /** Bytes of an oversize frame that are still to come. */
  #skip = 0;

  constructor(handler: FrameHandler, scratch: Uint8Array) {
    this.#handler = handler;
    this.#scratch = scratch;
  }

  get target(): Uint8Array {
    return this.#body ?? this.#scratch;
  }

  /** A message longer than a read has begun. */
  get inMessage(): boolean {
    return this.#body !== undefined;
  }

  get offset(): number {
    return this.#bodyFilled;
  }

  /** `count` bytes have been read into the target. */
  received(count: number): void {
    if (this.#body === undefined) {
      this.#split(count);
      return;
    }
    this.#bodyFilled += count;
    if (this.#bodyFilled === this.#body.length) this.#finish(this.#body);
  }

  #split(count: number): void {
    let at = 0;
    while (at < count) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, count - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      const taken = Math.min(headerLength - this.#headerFilled, count - at);
      this.#header.set(this.#scratch.subarray(at, at + taken), this.#headerFilled);
      this.#headerFilled += taken;
      at += taken;
      if (this.#headerFilled === headerLength) at += this.#begin(at, count);
    }
  }

  /** The header is complete and data starts at `at`; returns how much of it has been dealt with. */
  #begin(at: number, count: number): number {
    const length = u32(this.#header, 0);
    if (length > maximumLength) {
      this.#skip = length;
      this.#headerFilled = 0;
      this.#handler.oversize(u32(this.#header, 4), length);
      return 0;
    }
    const present = Math.min(length, count - at);
    const data = this.#scratch.subarray(at, at + present);
    if (present === length) {
      this.#emit(data, false);
    } else {
      this.#body = new Uint8Array(length);
      this.#body.set(data);
      this.#bodyFilled = present;
    }
    return present;
  }

  #finish(body: Uint8Array): void {
    this.#body = undefined;
    this.#bodyFilled = 0;
    this.#emit(body, true);
  }

  #emit(data: Uint8Array, owned: boolean): void {
    const header = this.#header;
    this.#headerFilled = 0;
    this.#handler.frame(u32(header, 4), header[8] ?? 0, header[9] ?? 0, data, owned);
  }
}
