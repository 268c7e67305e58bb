/** When the daemon ends: containerd has asked for it, no container is left, and nobody is about to bring one. */
import type { Peers } from "./ttrpc/server.ts";

export interface Surroundings {
  /** Containers that there are or are being made. */
  readonly containers: () => number;
  readonly peers: () => Peers;
}

/** Waits, in milliseconds, that tests make short. */
export interface LifetimeLimits {
  /** How often to look. */
  readonly tickMs: number;
  /**
   * How long nobody may have been connected. Whoever starts a container in a shim that several share connects to see
   * whether it lives, and containerd comes back with the container a little later.
   */
  readonly quietMs: number;
  /** After this without a new connection the old ones do not count: some callers never hang up. */
  readonly patienceMs: number;
}

const usualLimits: LifetimeLimits = { tickMs: 50, quietMs: 200, patienceMs: 3000 };

export class Lifetime {
  /** Resolves at the end. */
  readonly over: Promise<void>;
  readonly #surroundings: Surroundings;
  readonly #limits: LifetimeLimits;
  #finish: () => void = () => undefined;
  #shutdown = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #accepted = 0;
  #quietMs = 0;
  #waitedMs = 0;

  constructor(surroundings: Surroundings, limits: LifetimeLimits = usualLimits) {
    this.#surroundings = surroundings;
    this.#limits = limits;
    this.over = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  /** Asked for with containers left it is remembered: they are deleted in any order. */
  shutdown(): void {
    this.#shutdown = true;
    this.#begin();
  }

  containerGone(): void {
    this.#begin();
  }

  /** A container after the last one brings its own shutdown. */
  containerAdded(): void {
    if (this.#surroundings.containers() === 1) this.#shutdown = false;
  }

  /** Now, whatever runs: containers live on. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#finish();
  }

  #begin(): void {
    if (!this.#shutdown || this.#timer !== undefined) return;
    this.#restart();
    this.#next();
  }

  #restart(): void {
    this.#accepted = this.#surroundings.peers().accepted;
    this.#quietMs = 0;
    this.#waitedMs = 0;
  }

  #next(): void {
    this.#timer = setTimeout(() => this.#look(), this.#limits.tickMs);
  }

  #look(): void {
    this.#timer = undefined;
    if (!this.#shutdown || this.#surroundings.containers() > 0) return;
    const { tickMs, quietMs, patienceMs } = this.#limits;
    const { connected, accepted } = this.#surroundings.peers();
    if (accepted !== this.#accepted) this.#restart();
    else this.#waitedMs += tickMs;
    this.#quietMs = connected === 0 ? this.#quietMs + tickMs : 0;
    if (this.#quietMs >= quietMs || this.#waitedMs >= patienceMs) this.#finish();
    else this.#next();
  }
}
