/** Tells of processes of a container that the kernel has killed for want of memory. */
import { readdirSync } from "node:fs";
import { numberOf } from "../runtime/cgroups/freezer.ts";
import { readIfThere } from "../runtime/cgroups/kernel-files.ts";
import type { CgroupManager, OomSource } from "../runtime/cgroups/manager.ts";
import type { Reactor } from "./event-loop/reactor.ts";

export interface OomWatch {
  /** Looks for the last time: a kill that has not been told yet is told before this returns. Idempotent. */
  close(): void;
}

/**
 * When to look again after a notice without a kill. v1 gives notice before it chooses whom to kill, and also of kills
 * elsewhere in the limited tree. Milliseconds.
 */
const looks: readonly number[] = [20, 200, 2_000];

/**
 * Calls `onKill` when the count of kills has grown, once for all that are found at a time, from now until close() or
 * until the cgroup is removed or has no processes any more.
 * @throws RuntimeError or a system error where memory is not counted.
 */
export function watchOom(reactor: Reactor, manager: CgroupManager, onKill: () => void): OomWatch {
  const source = manager.oomEvents();
  try {
    const v1Directory = manager.mode === "v1" ? manager.paths["memory"] : undefined;
    return new Watch(reactor, source, v1Directory, onKill);
  } catch (error) {
    source.close();
    throw error;
  }
}

class Watch implements OomWatch {
  readonly #source: OomSource;
  /** Where v1 counts kills; undefined when the source says how many there were. */
  readonly #v1Directory: string | undefined;
  readonly #onKill: () => void;
  readonly #end = new AbortController();
  /** What v1 has counted. */
  #seen = 0;
  #looked = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    reactor: Reactor,
    source: OomSource,
    v1Directory: string | undefined,
    onKill: () => void,
  ) {
    this.#source = source;
    this.#onKill = onKill;
    const count = v1Directory === undefined ? undefined : killsBelow(v1Directory);
    // kernels before 4.13 do not count: there the notice has to do
    this.#v1Directory = count === undefined ? undefined : v1Directory;
    this.#seen = count ?? 0;
    for (const fd of source.fds) void this.#watch(reactor, fd);
  }

  close(): void {
    if (this.#end.signal.aborted) return;
    // in this order: onKill may call close
    this.#stop();
    const { killed } = this.#take();
    this.#source.close();
    if (killed) this.#onKill();
  }

  #stop(): void {
    this.#end.abort();
    if (this.#timer !== undefined) clearTimeout(this.#timer);
  }

  /** Never rejects: an fd that cannot be waited for any more ends the watch. */
  async #watch(reactor: Reactor, fd: number): Promise<void> {
    const { signal } = this.#end;
    try {
      while (!signal.aborted) {
        const ready = await reactor.ready(fd, { signal });
        if (!ready) break; // closed, or the shim ends
        this.#looked = 0;
        this.#look();
      }
    } catch {
      this.close();
    }
  }

  #look(): void {
    if (this.#end.signal.aborted) return;
    const { killed, gone } = this.#take();
    if (gone) {
      this.#stop();
      this.#source.close();
    } else if (!killed && this.#v1Directory !== undefined) {
      this.#lookAgain();
    }
    if (killed) this.#onKill();
  }

  #lookAgain(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    const delay = looks[this.#looked++];
    this.#timer = delay === undefined ? undefined : setTimeout(() => this.#look(), delay);
  }

  #take(): { readonly killed: boolean; readonly gone: boolean } {
    const { killed, gone } = this.#source.take();
    if (this.#v1Directory === undefined) return { killed: killed > 0, gone };
    const count = killsBelow(this.#v1Directory) ?? this.#seen;
    const grown = count > this.#seen;
    this.#seen = count;
    return { killed: grown, gone };
  }
}

/**
 * Kills in a v1 cgroup and those below it, each of which counts its own. Undefined where the kernel does not count or
 * the cgroup is gone.
 */
function killsBelow(directory: string): number | undefined {
  const own = numberOf(readIfThere(`${directory}/memory.oom_control`), "oom_kill");
  if (own === undefined) return undefined;
  let sum = own;
  for (const name of directoriesIn(directory)) sum += killsBelow(`${directory}/${name}`) ?? 0;
  return sum;
}

function directoriesIn(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return []; // removed meanwhile
  }
}
