/** The way of all events to containerd: one queue, one event under way, in order; exits outlive restarts of the daemon. */
import { describe } from "../../runtime/base/errors.ts";
import type { Logger } from "../../runtime/base/log.ts";
import { encodeForwardRequest } from "../../schemas/generated/proto/forward.ts";
import type { Environment } from "../ttrpc/connection.ts";
import { now } from "./clock.ts";
import { type Attempt, Publisher } from "./publisher.ts";

export interface EventsEnvironment extends Environment {
  readonly log: Logger;
}

export interface Events {
  /**
   * In: topic ("/tasks/exit"), full name of the message's type ("containerd.events.TaskExit"), the message. The event
   * has the time of this call. Never throws, never waits.
   */
  publish(topic: string, type: string, message: Uint8Array): void;
  /** For the end of the shim: sends what is left, as long as the time allows; what is published later is lost. */
  drain(timeoutMs: number): Promise<void>;
}

interface Item {
  readonly topic: string;
  /** A ForwardRequest. */
  readonly request: Uint8Array;
  /** How often containerd has refused it or said nothing. */
  tries: number;
}

/** Most events in the queue, as in the Go shim. */
const capacity = 2048;
/** How often an event is offered to a daemon that is there and does not take it. */
const mostTries = 5;

/** All in milliseconds. */
export interface Pace {
  /** How long containerd may take to answer. */
  readonly answer: number;
  /** Pauses between attempts grow by this. */
  readonly pause: number;
  readonly longestPause: number;
}

/** The Go shim's. */
const usualPace: Pace = { answer: 5_000, pause: 1_000, longestPause: 5_000 };

/** dockerd learns of exits in no other way: without one `docker wait` and `docker exec` hang. */
const exitTopic = "/tasks/exit";

/** In: containerd's ttrpc socket ($TTRPC_ADDRESS), as a path or with unix://, and containerd's namespace. */
export function openEvents(
  environment: EventsEnvironment,
  address: string,
  namespace: string,
  pace: Pace = usualPace,
): Events {
  return new Queue(environment, address, namespace, pace);
}

class Queue implements Events {
  readonly #namespace: string;
  readonly #log: Logger;
  readonly #pace: Pace;
  readonly #publisher: Publisher;
  /** The first one is under way while `#sending`. */
  readonly #items: Item[] = [];
  #sending: Promise<void> | undefined;
  /** Attempts in a row that failed. */
  #failures = 0;
  #dropped = 0;
  #ended = false;
  /** Ends a pause between two attempts. */
  #wake: (() => void) | undefined;

  constructor(environment: EventsEnvironment, address: string, namespace: string, pace: Pace) {
    const path = address.startsWith("unix://") ? address.slice("unix://".length) : address;
    this.#namespace = namespace;
    this.#log = environment.log;
    this.#pace = pace;
    this.#publisher = new Publisher(environment, path, namespace, pace.answer);
  }

  publish(topic: string, type: string, message: Uint8Array): void {
    if (this.#ended) {
      this.#log.warn(`event ${topic} comes too late to be sent`);
      return;
    }
    if (this.#items.length >= capacity) this.#makeRoom();
    const event = { typeUrl: type, value: message };
    const envelope = { timestamp: now(), namespace: this.#namespace, topic, event };
    this.#items.push({ topic, request: encodeForwardRequest({ envelope }), tries: 0 });
    this.#sending ??= this.#send();
  }

  async drain(timeoutMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    this.#wake?.();
    await Promise.race([this.#sending, timeout]);
    clearTimeout(timer);
    this.#ended = true;
    if (this.#items.length > 0) this.#log.error(`${this.#items.length} events could not be sent`);
    this.#items.length = 0;
    this.#wake?.();
    this.#publisher.close();
  }

  /** Sends until nothing is left. Never rejects. */
  async #send(): Promise<void> {
    for (let item = this.#items[0]; item !== undefined; item = this.#items[0]) {
      const attempt = await this.#publisher.forward(item.request);
      if (this.#ended) break;
      if (this.#isSettled(item, attempt)) {
        this.#items.shift();
      } else {
        this.#failures++;
        await this.#pause();
      }
    }
    this.#sending = undefined;
  }

  /** Is the event to leave the queue? */
  #isSettled(item: Item, { outcome, error }: Attempt): boolean {
    if (outcome === "taken") {
      if (this.#failures > 0) this.#log.info(`events are sent again, ${this.#items.length} waited`);
      this.#failures = 0;
      return true;
    }
    const text = `forward event ${item.topic}: ${describe(error)}`;
    if (this.#failures === 0) this.#log.warn(text);
    if (outcome === "unreachable") return false;
    item.tries++;
    const isLost =
      outcome === "invalid" ||
      (item.tries >= mostTries && (outcome === "refused" || item.topic !== exitTopic));
    if (isLost) this.#log.error(`event dropped after ${item.tries} attempts: ${text}`);
    return isLost;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const { pause, longestPause } = this.#pace;
      const timer = setTimeout(finish, Math.min(this.#failures * pause, longestPause));
      this.#wake = finish;
    });
  }

  /** Drops the oldest event that is no exit, or the oldest one; never the one that is under way. */
  #makeRoom(): void {
    const at = this.#items.findIndex((item, index) => index > 0 && item.topic !== exitTopic);
    const [dropped] = this.#items.splice(at < 0 ? 1 : at, 1);
    this.#dropped++;
    this.#log.error(
      `event ${dropped?.topic} dropped, ${capacity} others wait for containerd (${this.#dropped} so far)`,
    );
  }
}
