/** One process of a container, its init or an exec: what it is doing, who waits for it, its signals and its stdio. */
import { closeSync } from "node:fs";
import { errnoOf, fail, type RuntimeError, wrap } from "../../runtime/base/errors.ts";
import type { NativeBinding } from "../../runtime/native/binding.ts";
import type { ProcessIo, StdioRequest } from "../io/stdio.ts";
import { alreadyFinished } from "./failure.ts";

/**
 * created -> starting -> running -> stopped -> deleted; starting goes to failed where an exec cannot be started, and
 * back to created for an init that may be started again. Init can end before it is started: created -> stopped.
 */
export type ProcessStatus = "created" | "starting" | "running" | "stopped" | "failed" | "deleted";

/** How a process ended. */
export interface ProcessExit {
  /** Exit code, or 128 + signal. */
  readonly status: number;
  /** Unknown for one that was never started. */
  readonly at: Date | undefined;
}

/** What whoever waits for an exec gets when it could not be started. */
const neverStarted: ProcessExit = { status: 255, at: undefined };

/** How long what a process has written may take to reach its readers before they lose it. Milliseconds. */
export const drainTimeoutMs = 10_000;

type Waiter = (exit: ProcessExit) => void;

export class TaskProcess {
  /** The container's for init, else the exec's. */
  readonly id: string;
  readonly stdio: StdioRequest;
  /** 0 until there is a process. */
  pid = 0;
  /** Set once stdio is open. */
  io: ProcessIo | undefined;
  /** The deletion that is going on: it is done once, whoever asks again waits for it. */
  deleting: Promise<void> | undefined;
  #pidfd = -1;
  #status: ProcessStatus = "created";
  #exit: ProcessExit | undefined;
  #waiters: Waiter[] | undefined;

  constructor(id: string, stdio: StdioRequest) {
    this.id = id;
    this.stdio = stdio;
  }

  get status(): ProcessStatus {
    return this.#status;
  }

  /** Undefined while it has not ended, and for what never ran. */
  get exit(): ProcessExit | undefined {
    return this.#exit;
  }

  /** For answers about a process that is gone. */
  get result(): ProcessExit {
    return this.#exit ?? (this.#status === "failed" ? neverStarted : { status: 0, at: undefined });
  }

  /** Is it on its way or alive, so that an exit is still to be told? */
  get isActive(): boolean {
    return this.#status === "starting" || this.#status === "running";
  }

  /** There is a process now; the pidfd belongs to this object. */
  spawned(pid: number, pidfd: number): void {
    this.pid = pid;
    this.#pidfd = pidfd;
  }

  /** @throws Unknown with a text like the runc shim's unless it is waiting to be started. */
  beginStart(): void {
    if (this.#status !== "created") {
      const text =
        this.#status === "failed" ? "process that could not be started" : `${this.#status} process`;
      throw fail("Unknown", `cannot start a ${text}`);
    }
    this.#status = "starting";
  }

  /** The program is executed; a process that has ended meanwhile stays stopped. */
  started(): void {
    if (this.#status === "starting") this.#status = "running";
  }

  /** Init may be tried again, as long as it lives. */
  startRefused(): void {
    if (this.#status === "starting") this.#status = "created";
  }

  /** An exec that is not to be; whoever waits for it waits no longer. */
  startFailed(): void {
    this.#status = "failed";
    this.#tell(neverStarted);
  }

  /** It has ended and everybody may know. */
  stopped(exit: ProcessExit): void {
    this.#status = "stopped";
    this.#exit = exit;
    this.#closePidfd();
    this.#tell(exit);
  }

  deleted(): void {
    this.#status = "deleted";
    this.#tell(neverStarted);
    this.#closePidfd();
    this.io?.close();
    this.io = undefined;
  }

  /**
   * Resolves when it has ended, at once when it has already; any number of callers, as often as they like.
   * In: what ends the wait of a caller that has gone; it then rejects.
   */
  wait(signal?: AbortSignal): Promise<ProcessExit> {
    if (this.#exit !== undefined) return Promise.resolve(this.#exit);
    if (this.#status === "failed" || this.#status === "deleted")
      return Promise.resolve(neverStarted);
    return new Promise((resolve, reject) => {
      const finish: Waiter = (exit) => {
        signal?.removeEventListener("abort", giveUp);
        resolve(exit);
      };
      const giveUp = (): void => {
        this.#waiters = this.#waiters?.filter((waiter) => waiter !== finish);
        reject(fail("Aborted", "the caller is gone"));
      };
      signal?.addEventListener("abort", giveUp, { once: true });
      this.#waiters ??= [];
      this.#waiters.push(finish);
    });
  }

  /** @throws FailedPrecondition before it is started, NotFound after its end. */
  signal(native: NativeBinding, number: number): void {
    if (this.#exit !== undefined) throw alreadyFinished();
    if (this.#pidfd < 0) throw notStarted();
    try {
      native.signalPidfd(this.#pidfd, number);
    } catch (error) {
      if (errnoOf(error) === "ESRCH") throw alreadyFinished();
      throw wrap(error, { op: `signal process with ${number}` });
    }
  }

  /** Fine without a terminal. @throws NotFound after its end. */
  resize(width: number, height: number): void {
    if (this.#exit !== undefined) throw alreadyFinished();
    if (this.stdio.terminal) this.io?.resize(width, height);
  }

  #tell(exit: ProcessExit): void {
    const waiters = this.#waiters ?? [];
    this.#waiters = undefined;
    for (const waiter of waiters) waiter(exit);
  }

  #closePidfd(): void {
    if (this.#pidfd >= 0) closeSync(this.#pidfd);
    this.#pidfd = -1;
  }
}

function notStarted(): RuntimeError {
  return fail("FailedPrecondition", "process not created");
}
