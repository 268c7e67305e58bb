/** One connection of a ttrpc server or client: reads frames, writes frames, and ends by itself. */
import { closeSync } from "node:fs";
import type { NativeBinding } from "../../runtime/native/binding.ts";
import type { Reactor } from "../event-loop/reactor.ts";
import { type FrameHandler, FrameParser } from "./frame.ts";

export interface Environment {
  readonly native: NativeBinding;
  readonly reactor: Reactor;
}

export interface ConnectionHandler extends FrameHandler {
  /** Once, after the last frame; the fd is closed. */
  closed(): void;
}

/** A peer with this much to read is asked for nothing new. */
const pauseAbove = 256 * 1024;
/** A peer with more than this to read does not read; a reply has at most 4 MiB. */
const dropAbove = 16 * 1024 * 1024;
/** Reads in a row, of one long message, before others get their turn. */
const readsInARow = 8;

/**
 * All connections read into this: frames are taken out of it before anything else runs. It is as large as the number of
 * short calls that others may have to wait for, about ninety.
 */
const scratchBytes = 4096;
let scratch: Uint8Array | undefined;

export class FrameConnection {
  readonly #environment: Environment;
  readonly #fd: number;
  readonly #handler: ConnectionHandler;
  readonly #parser: FrameParser;
  /** Ends the waits for the socket. */
  readonly #end = new AbortController();
  #queue: Uint8Array[] = [];
  #queued = 0;
  /** What of the first in the queue has been written. */
  #written = 0;
  #flushing: Promise<void> | undefined;

  /** Takes over a non-blocking socket; nothing is read before start(). */
  constructor(environment: Environment, fd: number, handler: ConnectionHandler) {
    this.#environment = environment;
    this.#fd = fd;
    this.#handler = handler;
    scratch ??= new Uint8Array(scratchBytes);
    this.#parser = new FrameParser(handler, scratch);
  }

  get open(): boolean {
    return !this.#end.signal.aborted;
  }

  /** Reads until the peer is gone or close() is called. Never rejects. */
  async start(): Promise<void> {
    try {
      while (this.open) {
        await this.#environment.reactor.ready(this.#fd, { signal: this.#end.signal });
        while (this.open && this.#queued > pauseAbove) await this.#flushing;
        if (!this.open || !this.#readSome()) break;
      }
    } catch {
      // ECONNRESET and the like: the peer is gone, nobody is left to be told
    }
    this.close();
    await this.#flushing;
    closeSync(this.#fd);
    this.#handler.closed();
  }

  /** Sends a frame, at once when the socket takes it. A peer that does not read is dropped at some point. */
  send(frame: Uint8Array): void {
    if (!this.open) return;
    const written = this.#queue.length === 0 ? this.#tryWrite(frame, 0) : 0;
    if (written === frame.length || !this.open) return;
    if (this.#queue.length === 0) this.#written = written;
    this.#queue.push(frame);
    this.#queued += frame.length;
    if (this.#queued > dropAbove) this.close();
    else this.#flushing ??= this.#flush();
  }

  /** Ends the connection; what the socket has not taken yet is lost. Idempotent. */
  close(): void {
    this.#queue = [];
    this.#queued = 0;
    this.#end.abort();
  }

  /** False at the end of the stream. */
  #readSome(): boolean {
    const { native } = this.#environment;
    const parser = this.#parser;
    for (let round = 0; round < readsInARow && this.open; round++) {
      const { target, offset } = parser;
      const count = native.tryRead(this.#fd, target, offset);
      if (count === 0) return false;
      if (count < 0) return true;
      parser.received(count);
      // a short read: there was no more; otherwise only the rest of a long message may go on at once
      if (count < target.length - offset || !parser.inMessage) return true;
    }
    return true;
  }

  /** How much of the frame is written; a peer that is gone closes the connection. */
  #tryWrite(frame: Uint8Array, from: number): number {
    let at = from;
    try {
      while (at < frame.length) {
        const { native } = this.#environment;
        const count = native.tryWrite(this.#fd, frame, at, frame.length - at);
        if (count < 0) return at;
        at += count;
      }
    } catch {
      this.close();
    }
    return at;
  }

  async #flush(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const options = { writable: true, signal: this.#end.signal };
        await this.#environment.reactor.ready(this.#fd, options);
        this.#writeQueue();
      }
    } catch {
      this.close();
    } finally {
      this.#flushing = undefined;
    }
  }

  #writeQueue(): void {
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      this.#written = this.#tryWrite(first, this.#written);
      if (this.#written < first.length) return;
      this.#queue.shift();
      this.#queued -= first.length;
      this.#written = 0;
    }
  }
}
