/** All containers of this shim: which ids are taken, which are being made, and when the last one has gone. */
import { describe, fail, RuntimeError } from "../../runtime/base/errors.ts";
import type { Runtime } from "../../runtime/lifecycle/context.ts";
import { kill } from "../../runtime/lifecycle/kill.ts";
import { Container } from "./container.ts";
import { type CreateRequest, createContainer } from "./create.ts";
import { notCreated } from "./failure.ts";
import type { Host } from "./host.ts";
import type { TaskProcess } from "./process.ts";

const SIGKILL = 9;

/** A container that is being created: unknown to all but those who want it gone. */
interface Draft {
  /** Resolves when it has become a container, or nothing. */
  readonly done: Promise<void>;
  /** Signals for the container to be. */
  readonly signals: number[];
  /** Known when there is something that a signal can reach. */
  rt: Runtime | undefined;
}

/** Who wants to know how many there are. */
export interface Census {
  containerAdded(): void;
  /** A container has gone, or has not come to be. */
  containerGone(): void;
}

export class Containers {
  readonly #host: Host;
  readonly #drafts = new Map<string, Draft>();
  readonly #containers = new Map<string, Container>();
  readonly #census: Census;

  constructor(host: Host, census: Census) {
    this.#host = host;
    this.#census = census;
  }

  /** Counts those that are being made, too. */
  get size(): number {
    return this.#drafts.size + this.#containers.size;
  }

  *bundles(): Iterable<string> {
    for (const { bundle } of this.#containers.values()) yield bundle;
  }

  /** @throws NotFound, also while it is being created. */
  get(id: string): Container {
    const container = this.#containers.get(id);
    if (container === undefined) throw notCreated();
    return container;
  }

  find(id: string): Container | undefined {
    return this.#containers.get(id);
  }

  /** @throws AlreadyExists; what createContainer throws. */
  async create(request: CreateRequest): Promise<Container> {
    const { id } = request;
    if (this.#drafts.has(id) || this.#containers.has(id)) {
      throw fail("AlreadyExists", `container ${id} already exists`);
    }
    let settle = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const draft: Draft = { done, signals: [], rt: undefined };
    this.#drafts.set(id, draft);
    this.#census.containerAdded();
    let container: Container | undefined;
    try {
      container = await this.#make(request, draft);
    } finally {
      this.#drafts.delete(id);
      settle();
      if (container === undefined) this.#census.containerGone();
    }
    return container;
  }

  async #make(request: CreateRequest, draft: Draft): Promise<Container> {
    const { id, bundle, rootfs, stdio, checkpoint } = request;
    const created = await createContainer(this.#host, request, (rt) => {
      draft.rt = rt;
    });
    const container = new Container(this.#host, created, stdio);
    this.#containers.set(id, container);
    const { pid } = created.init;
    container.events.created({ bundle, rootfs, io: stdio, checkpoint, pid });
    for (const signal of draft.signals) await this.#killQuietly(container, signal);
    return container;
  }

  /** A signal for a container that is being created waits for it; SIGKILL ends its making as well. */
  async kill(id: string, execId: string, signal: number, all: boolean): Promise<void> {
    const draft = this.#drafts.get(id);
    if (draft === undefined || execId !== "") return this.get(id).kill(execId, signal, all);
    draft.signals.push(signal);
    if (signal !== SIGKILL || draft.rt === undefined) return;
    try {
      await kill(draft.rt, id, signal, true);
    } catch (error) {
      // there is nothing yet; it will be told when there is
      this.#host.log.debug(`${id}: killed while it is created: ${describe(error)}`);
    }
  }

  async #killQuietly(container: Container, signal: number): Promise<void> {
    try {
      await container.kill("", signal, false);
    } catch (error) {
      if (!(error instanceof RuntimeError) || error.code !== "NotFound") {
        this.#host.log.warn(`${container.id}: ${describe(error)}`);
      }
    }
  }

  /** Out: init, or the exec, after its end. @throws NotFound for what is gone, or never came to be. */
  async delete(id: string, execId: string): Promise<TaskProcess> {
    await this.#drafts.get(id)?.done;
    const container = this.get(id);
    if (execId !== "") return container.deleteExec(execId);
    return container.delete(() => {
      this.#containers.delete(id);
      this.#census.containerGone();
    });
  }
}
