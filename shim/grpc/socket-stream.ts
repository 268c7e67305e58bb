/** A socket as a stream of node's, over the reactor: what an HTTP/2 server takes for a connection. */
import { closeSync } from "node:fs";
import { Duplex } from "node:stream";
import type { Environment } from "../ttrpc/connection.ts";

const readSize = 16 * 1024;

export class SocketStream extends Duplex {
  readonly #environment: Environment;
  readonly #fd: number;
  readonly #end = new AbortController();
  #reading = false;

  /** Takes over a non-blocking socket. */
  constructor(environment: Environment, fd: number) {
    super({ allowHalfOpen: false });
    this.#environment = environment;
    this.#fd = fd;
  }

  override _read(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.#read().catch((error: Error) => this.destroy(error));
  }

  override _write(
    chunk: Uint8Array,
    _encoding: string,
    done: (error?: Error | null) => void,
  ): void {
    this.#writeAll(chunk).then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#end.abort();
    closeSync(this.#fd);
    done(error);
  }

  /** One piece: the stream asks for the next once it has room, often while it is given this one. */
  async #read(): Promise<void> {
    const { native } = this.#environment;
    const scratch = new Uint8Array(readSize);
    while (!this.#end.signal.aborted) {
      const count = native.tryRead(this.#fd, scratch, 0);
      if (count < 0) {
        await this.#ready(false);
        continue;
      }
      this.#reading = false;
      this.push(count === 0 ? null : scratch.subarray(0, count));
      return;
    }
  }

  async #writeAll(chunk: Uint8Array): Promise<void> {
    const { native } = this.#environment;
    let at = 0;
    while (at < chunk.length && !this.#end.signal.aborted) {
      const count = native.tryWrite(this.#fd, chunk, at, chunk.length - at);
      if (count < 0) await this.#ready(true);
      else at += count;
    }
  }

  async #ready(writable: boolean): Promise<void> {
    await this.#environment.reactor.ready(this.#fd, { writable, signal: this.#end.signal });
  }
}
