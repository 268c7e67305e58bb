/** Hands single events over to containerd, on a connection that is made anew when it is lost. */
import { RuntimeError } from "../../runtime/base/errors.ts";
import { type Client, connectTtrpc } from "../ttrpc/client.ts";
import type { Environment } from "../ttrpc/connection.ts";

const service = "containerd.services.events.ttrpc.v1.Events";

/**
 * - `taken`: containerd has it.
 * - `unreachable`: nobody is there; containerd is being restarted.
 * - `unanswered`: somebody is there and says nothing; the event may have been taken or not.
 * - `refused`: containerd does not want it now.
 * - `invalid`: containerd will never want it.
 */
export type Outcome = "taken" | "unreachable" | "unanswered" | "refused" | "invalid";

export interface Attempt {
  readonly outcome: Outcome;
  /** Of all outcomes but `taken`. */
  readonly error?: unknown;
}

export class Publisher {
  readonly #environment: Environment;
  readonly #path: string;
  readonly #metadata: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;
  #client: Client | undefined;

  /**
   * In: path of containerd's ttrpc socket, and how long it may take to answer, in milliseconds. Connects when there is
   * something to say.
   */
  constructor(environment: Environment, path: string, namespace: string, timeoutMs: number) {
    this.#environment = environment;
    this.#path = path;
    this.#timeoutMs = timeoutMs;
    this.#metadata = { "containerd-namespace-ttrpc": namespace };
  }

  /**
   * One attempt to hand over an encoded ForwardRequest; a connection that turns out to be lost is worth a second one.
   * A connection without answers is kept: each new one would take a place in the queue of a daemon that hangs.
   */
  async forward(request: Uint8Array): Promise<Attempt> {
    const attempt = await this.#try(request);
    return attempt.outcome === "unreachable" && this.#client !== undefined
      ? this.#try(request)
      : attempt;
  }

  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  async #try(request: Uint8Array): Promise<Attempt> {
    try {
      const client = this.#connected();
      const options = { metadata: this.#metadata, timeoutMs: this.#timeoutMs };
      await client.call(service, "Forward", request, options);
      return { outcome: "taken" };
    } catch (error) {
      return { outcome: this.#outcomeOf(error), error };
    }
  }

  #connected(): Client {
    if (this.#client?.open !== true) {
      this.#client = undefined;
      this.#client = connectTtrpc(this.#environment, this.#path);
    }
    return this.#client;
  }

  #outcomeOf(error: unknown): Outcome {
    if (this.#client?.open !== true || !(error instanceof RuntimeError)) return "unreachable";
    if (error.code === "DeadlineExceeded") return "unanswered";
    return error.code === "InvalidArgument" ? "invalid" : "refused";
  }
}
