/** Waiting and copying without the engine: promises over the native I/O thread. */
import type { Waiter } from "../../runtime/lifecycle/context.ts";
import type { NativeBinding } from "../../runtime/native/binding.ts";

export interface ReadyOptions {
  /** Wait until it can be written to instead of read. */
  readonly writable?: boolean;
  /** -1, the default: no limit. */
  readonly timeoutMs?: number;
  /** Ends the wait. Abort before closing the fd: the open file lives as long as somebody waits. */
  readonly signal?: AbortSignal | undefined;
}

/** Bytes on their way from one fd to another, both owned by the copy. */
export interface Copy {
  /** 0 at the end of the source, else why it stopped: EPIPE when the target is gone, ECANCELED after cancel(). */
  readonly done: Promise<number>;
  /** Stops now and closes both fds, whatever is still in the source. Idempotent. */
  cancel(): void;
}

export interface Reactor {
  /** True when the fd is ready or hung up; false after the timeout, an abort, or stop(). */
  ready(fd: number, options?: ReadyOptions): Promise<boolean>;
  /** Starts a copy and takes both fds over, also when it throws. A terminal's slave must have been opened before. */
  copy(from: number, to: number): Copy;
  /** How runtime/lifecycle waits, for any number of fds at a time. */
  readonly waiter: Waiter;
  /** Calls `listener` after children may have ended; one listener for good. It must not throw. */
  onChildren(listener: () => void): void;
  /** Ends the thread; the process may end then. What is waited for resolves as not ready, copies as cancelled. */
  stop(): void;
}

/** errno of a copy that was told to stop. */
export const ECANCELED = 125;

/** What handlers get in place of an event when there will be none. */
const givenUp = -1;
/** setTimeout takes longer times for 1 ms. */
const longestTimer = 2 ** 31 - 1;

/** Starts the I/O thread of this process; there is one. */
export function startReactor(native: NativeBinding): Reactor {
  return new ThreadReactor(native);
}

class ThreadReactor implements Reactor {
  readonly waiter: Waiter = { wait: (fds, timeoutMs) => this.#wait(fds, timeoutMs) };
  readonly #native: NativeBinding;
  /** By token. Each is called once: with the event's value, or givenUp. */
  readonly #handlers = new Map<number, (value: number) => void>();
  #lastToken = 0;
  #childrenToken = 0;
  #onChildren: () => void = () => {};
  #stopped = false;

  constructor(native: NativeBinding) {
    this.#native = native;
    native.reactor.start((events) => this.#deliver(events));
  }

  ready(fd: number, options: ReadyOptions = {}): Promise<boolean> {
    const { writable = false, timeoutMs = -1, signal } = options;
    if (this.#stopped || signal?.aborted === true) return Promise.resolve(false);
    return new Promise((resolve, reject) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const token = this.#expect((value) => {
        if (timer !== undefined) clearTimeout(timer);
        signal?.removeEventListener("abort", giveUp);
        resolve(value !== givenUp);
      });
      const giveUp = () => this.#giveUp(token);
      try {
        this.#native.reactor.watch(token, fd, writable);
      } catch (error) {
        this.#handlers.delete(token);
        reject(error);
        return;
      }
      if (timeoutMs >= 0) timer = setTimeout(giveUp, Math.min(timeoutMs, longestTimer));
      signal?.addEventListener("abort", giveUp);
    });
  }

  copy(from: number, to: number): Copy {
    let settle: (value: number) => void = () => {};
    const done = new Promise<number>((resolve) => {
      settle = (value) => resolve(value === givenUp ? ECANCELED : value);
    });
    const token = this.#expect(settle);
    try {
      this.#native.reactor.copy(token, from, to);
    } catch (error) {
      this.#handlers.delete(token);
      throw error;
    }
    return { done, cancel: () => this.#cancelCopy(token) };
  }

  onChildren(listener: () => void): void {
    this.#onChildren = listener;
    this.#childrenToken = ++this.#lastToken;
    this.#native.reactor.watchChildren(this.#childrenToken);
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#native.reactor.stop();
    const handlers = [...this.#handlers.values()];
    this.#handlers.clear();
    for (const handler of handlers) handler(givenUp);
  }

  /** Until one is ready at the very moment it is looked at: somebody else may have been faster. */
  async #wait(fds: readonly number[], timeoutMs: number): Promise<readonly number[]> {
    const deadline = timeoutMs < 0 ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
    for (;;) {
      const ready = this.#native.poll(fds, 0);
      if (ready.length > 0 || this.#stopped) return ready;
      const left = Math.ceil(deadline - performance.now());
      if (left <= 0) return [];
      await this.#anyReady(fds, left);
    }
  }

  #anyReady(fds: readonly number[], timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const tokens: number[] = [];
      const finish = () => {
        if (timer !== undefined) clearTimeout(timer);
        for (const token of tokens) this.#forget(token);
        resolve();
      };
      const timer = Number.isFinite(timeoutMs)
        ? setTimeout(finish, Math.min(timeoutMs, longestTimer))
        : undefined;
      try {
        for (const fd of fds) {
          const token = this.#expect(finish);
          tokens.push(token);
          this.#native.reactor.watch(token, fd, false);
        }
      } catch (error) {
        finish();
        reject(error);
      }
    });
  }

  #expect(handler: (value: number) => void): number {
    const token = ++this.#lastToken;
    this.#handlers.set(token, handler);
    return token;
  }

  #forget(token: number): void {
    if (this.#handlers.delete(token)) this.#native.reactor.unwatch(token);
  }

  #giveUp(token: number): void {
    const handler = this.#handlers.get(token);
    if (handler === undefined) return;
    this.#forget(token);
    handler(givenUp);
  }

  #cancelCopy(token: number): void {
    const handler = this.#handlers.get(token);
    if (handler === undefined) return;
    this.#handlers.delete(token);
    this.#native.reactor.cancelCopy(token);
    handler(givenUp);
  }

  #deliver(events: readonly number[]): void {
    for (let at = 0; at < events.length; at += 2) {
      const token = events[at] ?? 0;
      if (token === this.#childrenToken) {
        this.#onChildren();
        continue;
      }
      // unknown: given up by the handler of an event of this very batch
      const handler = this.#handlers.get(token);
      this.#handlers.delete(token);
      handler?.(events[at + 1] ?? 0);
    }
  }
}
