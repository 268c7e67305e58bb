/** The daemon: builds everything, serves, ends. */
import { describe } from "../runtime/base/errors.ts";
import type { Logger } from "../runtime/base/log.ts";
import { initPath } from "../runtime/lifecycle/init-session.ts";
import { loadNative, type NativeBinding } from "../runtime/native/binding.ts";
import { PLAN_ABI } from "../schemas/generated/plan.ts";
import { releaseSocket, releaseUnwantedSocket } from "./bootstrap/socket.ts";
import { watchChildren } from "./event-loop/children.ts";
import { type Reactor, startReactor } from "./event-loop/reactor.ts";
import { type Events, openEvents } from "./events/queue.ts";
import { openFifoLog } from "./fifo-log.ts";
import { Housekeeping } from "./housekeeping.ts";
import { Lifetime } from "./lifetime.ts";
import { Sandboxes } from "./sandbox.ts";
import { sandboxServices } from "./services/sandbox.ts";
import { taskServices } from "./services/task.ts";
import { Containers } from "./task/containers.ts";
import type { ServerEnvironment } from "./ttrpc/listener.ts";
import { type Method, type Server, type Services, serveTtrpc } from "./ttrpc/server.ts";

/** What `start` has prepared. The working directory is the bundle of the first container. */
export interface ServeOptions {
  readonly namespace: string;
  /** Of the container that this shim was started for; it may come to host others. */
  readonly id: string;
  /** Listens already; ours to close. */
  readonly listener: number;
  /** Where it listens: to be unlinked at the end, with releaseSocket of bootstrap/socket.ts. */
  readonly socketPath: string;
  readonly transport: "ttrpc" | "grpc";
  /** containerd's gRPC socket. */
  readonly containerdAddress: string;
  /** containerd's ttrpc socket, where events go. */
  readonly eventsAddress: string;
  readonly debug: boolean;
}

/** How long containerd may take to be told of the last events. Milliseconds. */
const drainTimeoutMs = 5000;

/** Serves until containerd has asked for the end and no container is left, or until SIGTERM. Out: the exit status. */
export async function serve(options: ServeOptions): Promise<number> {
  const daemon = new Daemon(options);
  await daemon.run();
  return 0;
}

class Daemon {
  readonly #options: ServeOptions;
  readonly #native = loadNative(PLAN_ABI);
  readonly #firstBundle = process.cwd();
  readonly #log: Logger;
  readonly #reactor: Reactor;
  readonly #environment: ServerEnvironment;
  readonly #events: Events;
  readonly #containers: Containers;
  readonly #sandboxes: Sandboxes;
  readonly #housekeeping = new Housekeeping();
  readonly #loggers = new Set<Promise<void>>();
  readonly #lifetime: Lifetime;
  #server: Server | undefined;
  /** Our name is gone; another shim may have taken it. */
  #released = false;

  constructor(options: ServeOptions) {
    const { namespace, eventsAddress, debug } = options;
    this.#options = options;
    // orphans of containers come to us, and count as theirs
    this.#native.setSubreaper(true);
    this.#log = openFifoLog({ debug, bundles: () => this.#bundles() });
    const reactor = startReactor(this.#native);
    const children = watchChildren(this.#native, reactor);
    this.#reactor = reactor;
    this.#environment = { native: children.native, reactor, log: this.#log };
    this.#events = openEvents(this.#environment, eventsAddress, namespace);
    this.#lifetime = new Lifetime({
      containers: () => this.#containers.size + this.#sandboxes.size,
      peers: () => this.#server?.peers ?? { connected: 0, accepted: 0 },
    });
    const { log } = this.#environment;
    const initImage = keepImage(this.#native);
    const endingLoggers = this.#loggers;
    const shared = { children, reactor, events: this.#events, log, endingLoggers };
    const host = { namespace, debug, initImage, ...shared };
    this.#containers = new Containers(host, {
      containerAdded: () => {
        this.#housekeeping.due();
        this.#lifetime.containerAdded();
      },
      containerGone: () => this.#lifetime.containerGone(),
    });
    this.#sandboxes = new Sandboxes(this.#lifetime);
  }

  async run(): Promise<void> {
    this.#catchSignals();
    const services = counted(this.#services(), this.#housekeeping);
    this.#server = await serveOn(this.#environment, this.#options, services);
    await this.#lifetime.over;
    await this.#end(this.#server);
  }

  *#bundles(): Iterable<string> {
    yield this.#firstBundle;
    yield* this.#containers.bundles();
  }

  #services(): Services {
    const shutdown = (): void => this.#shutdown();
    const warn = (text: string): void => this.#log.warn(text);
    return {
      ...taskServices({ containers: this.#containers, warn, shutdown }),
      ...sandboxServices({ sandboxes: this.#sandboxes, shutdown }),
    };
  }

  /** containerd expects the socket to be gone soon after its call; that nobody else knows it is the common case. */
  #shutdown(): void {
    this.#lifetime.shutdown();
    const { socketPath, listener } = this.#options;
    const inUse = this.#containers.size + this.#sandboxes.size > 0;
    if (inUse || this.#released || socketPath === "" || (this.#server?.peers.accepted ?? 0) > 1)
      return;
    this.#release(() => releaseUnwantedSocket(this.#native, socketPath, listener));
  }

  #release(remove: () => boolean): void {
    try {
      this.#released = remove();
    } catch (error) {
      this.#log.warn(describe(error));
    }
  }

  #catchSignals(): void {
    const log = this.#log;
    process.on("SIGTERM", () => this.#lifetime.stop());
    process.on("SIGINT", () => this.#lifetime.stop());
    process.on("SIGPIPE", () => undefined);
    process.on("SIGHUP", () => undefined);
    process.on("SIGUSR1", () => {
      const resident = Math.round(process.memoryUsage().rss / 1024);
      log.info(`${this.#containers.size} containers, ${resident} kB resident`);
    });
    // a mistake in one call must not take the containers of all others with it
    process.on("uncaughtException", (error) => log.error(`internal error: ${describe(error)}`));
    process.on("unhandledRejection", (error) => log.error(`internal error: ${describe(error)}`));
  }

  /** From the moment that the socket's name is gone, new containers get a shim of their own. */
  async #end(server: Server): Promise<void> {
    const { socketPath } = this.#options;
    this.#housekeeping.stop();
    if (socketPath !== "" && !this.#released) {
      this.#release(() => {
        releaseSocket(this.#native, socketPath);
        return true;
      });
    }
    await this.#events.drain(drainTimeoutMs);
    server.close();
    await Promise.all(this.#loggers); // each has its own limit
    this.#reactor.stop();
  }
}

function counted(services: Services, housekeeping: Housekeeping): Services {
  const count =
    (method: Method): Method =>
    (payload, call) => {
      housekeeping.called();
      return method(payload, call);
    };
  const entries = Object.entries(services).map(([name, methods]) => {
    const calls = Object.entries(methods).map(([bare, method]) => [bare, count(method)] as const);
    return [name, Object.fromEntries(calls)] as const;
  });
  return Object.fromEntries(entries);
}

async function serveOn(
  environment: ServerEnvironment,
  { transport, listener }: ServeOptions,
  services: Services,
): Promise<Server> {
  if (transport === "ttrpc") return serveTtrpc(environment, listener, services);
  // megabytes that only those pay who ask for it
  const { serveGrpc } = await import("./grpc/server.ts");
  return serveGrpc(environment, listener, services);
}

/** One sealed copy of init's executable for all that this shim starts. */
function keepImage(native: NativeBinding): () => number {
  let image = -1;
  return () => {
    if (image < 0) image = native.sealedCopy(initPath());
    return image;
  };
}
