/**
 * Sandboxes of the sandbox service, which containerd uses where a pod's sandboxer is "shim". A sandbox is this shim: it
 * has no process of its own. (CRI's usual sandboxer makes the pause process an ordinary container.)
 */
import { fail, type RuntimeError } from "../runtime/base/errors.ts";

export interface SandboxRequest {
  readonly id: string;
  /** Does whoever asks expect namespaces that the sandbox's process holds? */
  readonly namespaces: boolean;
}

export interface Sandbox {
  readonly id: string;
  /**
   * Ours, which stands for the namespaces that we live in. 0 where others are expected: who would join them fails then,
   * instead of finding itself in the host's.
   */
  readonly pid: number;
  /** Of the start; undefined before. */
  readonly createdAt: Date | undefined;
  /** Of the stop; undefined before. */
  readonly exitedAt: Date | undefined;
}

/** What keeps the shim alive: sandboxes count as containers do. */
export interface SandboxCensus {
  containerAdded(): void;
  containerGone(): void;
}

interface Entry {
  readonly id: string;
  readonly pid: number;
  createdAt: Date | undefined;
  exitedAt: Date | undefined;
  readonly waiters: Set<() => void>;
}

export class Sandboxes {
  readonly #census: SandboxCensus;
  readonly #entries = new Map<string, Entry>();

  constructor(census: SandboxCensus) {
    this.#census = census;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @throws AlreadyExists. */
  create({ id, namespaces }: SandboxRequest): void {
    if (this.#entries.has(id)) throw fail("AlreadyExists", `sandbox ${id} already exists`);
    const pid = namespaces ? 0 : process.pid;
    const waiters = new Set<() => void>();
    this.#entries.set(id, { id, pid, createdAt: undefined, exitedAt: undefined, waiters });
    this.#census.containerAdded();
  }

  /** @throws NotFound. */
  get(id: string): Sandbox {
    return this.#entry(id);
  }

  /** Again is fine. @throws NotFound; FailedPrecondition for one that has been stopped. */
  start(id: string): Sandbox {
    const entry = this.#entry(id);
    if (entry.exitedAt !== undefined) {
      throw fail("FailedPrecondition", `sandbox ${id} has been stopped`);
    }
    entry.createdAt ??= new Date();
    return entry;
  }

  /** Containers are left to those who made them. Again is fine. @throws NotFound. */
  stop(id: string): void {
    const entry = this.#entry(id);
    entry.exitedAt ??= new Date();
    const waiters = [...entry.waiters];
    entry.waiters.clear();
    for (const waiter of waiters) waiter();
  }

  /** Resolves when it is stopped; any number of callers. Rejects for a caller that has gone. @throws NotFound. */
  async wait(id: string, signal: AbortSignal): Promise<Sandbox> {
    const entry = this.#entry(id);
    if (entry.exitedAt === undefined) await stopped(entry, signal);
    return entry;
  }

  /** Stops it and forgets it; fine for an unknown one. */
  remove(id: string): void {
    if (!this.#entries.has(id)) return;
    this.stop(id);
    this.#entries.delete(id);
    this.#census.containerGone();
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw noSuchSandbox(id);
    return entry;
  }
}

function noSuchSandbox(id: string): RuntimeError {
  return fail("NotFound", `sandbox ${id} does not exist`);
}

function stopped({ waiters }: Entry, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      signal.removeEventListener("abort", giveUp);
      resolve();
    };
    const giveUp = (): void => {
      waiters.delete(finish);
      reject(fail("Aborted", "the caller is gone"));
    };
    if (signal.aborted) {
      giveUp();
      return;
    }
    signal.addEventListener("abort", giveUp, { once: true });
    waiters.add(finish);
  });
}
