/** The only place that reaps: collects the statuses of all children and hands them to whoever asks. */
import { closeSync } from "node:fs";
import { errnoOf } from "../../runtime/base/errors.ts";
import type { NativeBinding, SpawnOptions } from "../../runtime/native/binding.ts";
import type { Reactor } from "./reactor.ts";

/** How a process ended. */
export interface Exit {
  /** Exit code, or 128 + the signal's number. */
  readonly status: number;
  /** When it was reaped. */
  readonly at: Date;
}

export interface Children {
  /** The binding for everything that starts processes or waits for them: what has been reaped here already is found. */
  readonly native: NativeBinding;
  /**
   * Resolves when a child has ended, at once when it has already. Each pid is asked for once, here or by waitPid.
   * Rejects for a process that is none of ours (ECHILD).
   */
  exit(pid: number): Promise<Exit>;
}

/** Ends of processes that somebody started and has not asked for; the limit only matters if one never asks. */
const mostOwed = 4096;
/** Ends of processes that nobody has told us about: orphans of containers, and those whose pid is yet to be reported. */
const mostEarly = 1024;
const earlyMs = 10_000;

/** Takes over reaping for this process, which must not have another reaper (node:child_process is one). */
export function watchChildren(native: NativeBinding, reactor: Reactor): Children {
  return new Reaper(native, reactor);
}

/** A number of unclaimed exits, the oldest of which are dropped. */
class Unclaimed {
  readonly #exits = new Map<number, Exit>();
  readonly #limit: number;
  readonly #keepMs: number;

  constructor(limit: number, keepMs: number) {
    this.#limit = limit;
    this.#keepMs = keepMs;
  }

  put(pid: number, exit: Exit): void {
    this.#exits.delete(pid); // behind all others when it comes again
    this.#exits.set(pid, exit);
    for (const [oldest, { at }] of this.#exits) {
      if (this.#exits.size <= this.#limit && !this.#isStale(at)) break;
      this.#exits.delete(oldest);
    }
  }

  take(pid: number): Exit | undefined {
    const exit = this.#exits.get(pid);
    if (exit === undefined) return undefined;
    this.#exits.delete(pid);
    return this.#isStale(exit.at) ? undefined : exit;
  }

  #isStale(at: Date): boolean {
    return Date.now() - at.getTime() > this.#keepMs;
  }
}

type Claim = (exit: Exit) => void;

/**
 * A pid means one process from the moment it is told to us (spawn, openPidfd) until its status is handed out. Whenever
 * the kernel says that a process of this number exists, an end noted before was another one's: it is forgotten.
 */
class Reaper implements Children {
  readonly native: NativeBinding;
  readonly #kernel: NativeBinding;
  /** Children that have not been reaped, and who waits for their end. */
  readonly #alive = new Map<number, Claim | undefined>();
  readonly #owed = new Unclaimed(mostOwed, Number.POSITIVE_INFINITY);
  readonly #early = new Unclaimed(mostEarly, earlyMs);

  constructor(kernel: NativeBinding, reactor: Reactor) {
    this.#kernel = kernel;
    this.native = {
      ...kernel,
      spawn: (options) => this.#spawn(options),
      openPidfd: (pid) => this.#openPidfd(pid),
      waitPid: (pid, noHang) => this.#waitPid(pid, noHang),
    };
    reactor.onChildren(() => this.#reap());
    this.#reap();
  }

  exit(pid: number): Promise<Exit> {
    return new Promise((resolve, reject) => {
      try {
        const exit = this.#look(pid, true);
        if (exit === undefined) this.#alive.set(pid, resolve);
        else resolve(exit);
      } catch (error) {
        reject(error);
      }
    });
  }

  #reap(): void {
    for (;;) {
      const ended = this.#kernel.reapAny();
      if (ended === undefined) return;
      this.#ended(ended.pid, ended.status);
    }
  }

  #ended(pid: number, status: number): void {
    const exit = { status, at: new Date() };
    if (!this.#alive.has(pid)) {
      this.#early.put(pid, exit);
      return;
    }
    const claim = this.#alive.get(pid);
    this.#alive.delete(pid);
    if (claim === undefined) this.#owed.put(pid, exit);
    else claim(exit);
  }

  #spawn(options: SpawnOptions): { readonly pid: number; readonly pidfd: number } {
    const child = this.#kernel.spawn(options);
    this.#isNew(child.pid);
    return child;
  }

  #isNew(pid: number): void {
    this.#owed.take(pid);
    this.#early.take(pid);
    this.#alive.set(pid, undefined);
  }

  #waitPid(pid: number, noHang: boolean): number | undefined {
    return this.#look(pid, noHang)?.status;
  }

  /** Takes the end of a child; undefined while it lives and may. Throws ECHILD for one that is none of ours. */
  #look(pid: number, noHang: boolean): Exit | undefined {
    const owed = this.#owed.take(pid);
    if (owed !== undefined) return owed;
    let status: number | undefined;
    try {
      status = this.#kernel.waitPid(pid, noHang);
    } catch (error) {
      const early = this.#early.take(pid);
      if (early === undefined) throw error;
      return early;
    }
    if (status === undefined) {
      this.#early.take(pid);
      return undefined;
    }
    const exit = { status, at: new Date() };
    const claim = this.#alive.get(pid);
    this.#alive.delete(pid);
    claim?.(exit);
    return exit;
  }

  /**
   * A child can be gone before its parent is told of it (init of a forking plan). Its pidfd is then a pipe without
   * writer: readable, as a pidfd of a dead process is, and useless for anything else, likewise.
   */
  #openPidfd(pid: number): number {
    let pidfd: number;
    try {
      pidfd = this.#kernel.openPidfd(pid);
    } catch (error) {
      const early = errnoOf(error) === "ESRCH" ? this.#early.take(pid) : undefined;
      if (early === undefined) throw error;
      this.#owed.put(pid, early);
      const [ended, writer] = this.#kernel.pipe();
      closeSync(writer);
      return ended;
    }
    if (!this.#alive.has(pid)) this.#adopt(pid);
    return pidfd;
  }

  /** Remembers a process that exists if it is a child of ours. */
  #adopt(pid: number): void {
    let status: number | undefined;
    try {
      status = this.#kernel.waitPid(pid, true);
    } catch {
      return; // somebody else's
    }
    this.#isNew(pid);
    if (status !== undefined) this.#ended(pid, status);
  }
}
