/** Keeps verbs of one container apart: any number of sharing ones, or a single exclusive one, in the order they came. */

interface Turn {
  readonly exclusive: boolean;
  readonly begin: () => void;
}

export class SharedLock {
  /** Holders at present; -1 is one that excludes all others. */
  #holders = 0;
  readonly #queue: Turn[] = [];

  /** Runs work beside other sharing work. Nobody overtakes: a waiting exclusive one goes first. */
  shared<T>(work: () => Promise<T>): Promise<T> {
    return this.#run(false, work);
  }

  /** Runs work while nothing else runs. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.#run(true, work);
  }

  async #run<T>(exclusive: boolean, work: () => Promise<T>): Promise<T> {
    if (this.#queue.length > 0 || !this.#isFree(exclusive)) {
      await new Promise<void>((begin) => this.#queue.push({ exclusive, begin }));
    } else {
      this.#take(exclusive);
    }
    try {
      return await work();
    } finally {
      this.#holders = exclusive ? 0 : this.#holders - 1;
      this.#next();
    }
  }

  #isFree(exclusive: boolean): boolean {
    return exclusive ? this.#holders === 0 : this.#holders >= 0;
  }

  #take(exclusive: boolean): void {
    this.#holders = exclusive ? -1 : this.#holders + 1;
  }

  /** A turn is taken here, not when its work begins: in between, others could slip in. */
  #next(): void {
    for (let turn = this.#queue[0]; turn !== undefined; turn = this.#queue[0]) {
      if (!this.#isFree(turn.exclusive)) return;
      this.#queue.shift();
      this.#take(turn.exclusive);
      turn.begin();
    }
  }
}
