/** The daemon: builds everything, serves, ends. */
import { describe } from "../runtime/base/errors.ts";
import type { Logger } from "../runtime/base/log.ts";
import { initPath } from "../runtime/lifecycle/init-session.ts";
import { loadNative, type NativeBinding } from "../runtime/native/binding.ts";
import { PLAN_ABI } from "../schemas/generated/plan.ts";
import { releaseSocket } from "./bootstrap/socket.ts";
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
import type { Host } from "./task/host.ts";
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
  const native = loadNative(PLAN_ABI);
  native.setSubreaper(true);
  const firstBundle = process.cwd();
  let containers: Containers | undefined;
  let sandboxes: Sandboxes | undefined;
  const log = openFifoLog({
    debug: options.debug,
    bundles: () => [firstBundle, ...(containers?.bundles() ?? [])],
  });
  const reactor = startReactor(native);
  const children = watchChildren(native, reactor);
  const environment = { native: children.native, reactor, log };
  const events = openEvents(environment, options.eventsAddress, options.namespace);
  const host: Host = {
    namespace: options.namespace,
    children,
    reactor,
    events,
    log,
    debug: options.debug,
    initImage: keepImage(native),
  };
  let server: Server | undefined;
  const lifetime = new Lifetime({
    containers: () => (containers?.size ?? 0) + (sandboxes?.size ?? 0),
    peers: () => server?.peers ?? { connected: 0, accepted: 0 },
  });
  const housekeeping = new Housekeeping();
  containers = new Containers(host, {
    containerAdded: () => {
      housekeeping.due();
      lifetime.containerAdded();
    },
    containerGone: () => lifetime.containerGone(),
  });
  sandboxes = new Sandboxes(lifetime);
  catchSignals(lifetime, containers, log);
  const shutdown = (): void => lifetime.shutdown();
  const services = {
    ...taskServices({ containers, warn: (text) => log.warn(text), shutdown }),
    ...sandboxServices({ sandboxes, shutdown }),
  };
  server = await serveOn(environment, options, counted(services, housekeeping));
  await lifetime.over;
  housekeeping.stop();
  await end(options, { native, reactor, events, server });
  return 0;
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

function catchSignals(lifetime: Lifetime, containers: Containers, log: Logger): void {
  process.on("SIGTERM", () => lifetime.stop());
  process.on("SIGINT", () => lifetime.stop());
  process.on("SIGPIPE", () => undefined);
  process.on("SIGUSR1", () => {
    const { rss } = process.memoryUsage();
    log.info(`${containers.size} containers, ${Math.round(rss / 1024)} kB resident`);
  });
  // a mistake in one call must not take the containers of all others with it
  process.on("uncaughtException", (error) => log.error(`internal error: ${describe(error)}`));
  process.on("unhandledRejection", (error) => log.error(`internal error: ${describe(error)}`));
}

interface Parts {
  readonly native: NativeBinding;
  readonly reactor: Reactor;
  readonly events: Events;
  readonly server: Server;
}

/** From the moment that the socket's name is gone, new containers get a shim of their own. */
async function end(
  options: ServeOptions,
  { native, reactor, events, server }: Parts,
): Promise<void> {
  if (options.socketPath !== "") releaseSocket(native, options.socketPath);
  await events.drain(drainTimeoutMs);
  server.close();
  reactor.stop();
}
