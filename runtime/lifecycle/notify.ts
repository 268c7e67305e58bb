/** sd_notify(3): what a container says of its state reaches the service manager that waits for us. */
import { chmodSync, closeSync, constants, mkdirSync, openSync } from "node:fs";
import type { Spec } from "../../schemas/generated/config.ts";
import { describe, errnoOf, fail, wrap } from "../base/errors.ts";
import type { Runtime } from "./context.ts";
import type { InitProcess } from "./init-session.ts";
import { containerDir } from "./store.ts";

/** In the state directory; the socket in it is bound by whoever starts the program. */
const directoryName = "notify";
const socketName = "notify.sock";
/** Where the container sees it, as with runc. */
const mountPoint = "/run/notify";
/** How long the manager may take to have seen all; older ones know no barriers (sd_notify_barrier(3)). */
const barrierMs = 30_000;

/** Both ends of the way; whoever opens it closes it. */
export interface NotifyRelay {
  /** Bound in the state directory, seen by the container. */
  readonly socket: number;
  /** Connected to the manager. */
  readonly host: number;
}

/**
 * Makes the directory that is bound into the container. Out: the config with the mount and the variable; unchanged
 * when nobody listens ($NOTIFY_SOCKET). It is not frozen: later execs have nothing to notify of.
 */
export function addNotifySocket(rt: Runtime, id: string, spec: Spec): Spec {
  if (!rt.env["NOTIFY_SOCKET"] || spec.process === undefined) return spec;
  const source = `${containerDir(rt.root, id)}/${directoryName}`;
  try {
    mkdirSync(source);
    chmodSync(source, 0o755); // whatever the umask
  } catch (error) {
    throw wrap(error, { op: "make notify directory", path: source });
  }
  const options = ["bind", "nosuid", "noexec", "nodev", "ro"];
  const variable = `NOTIFY_SOCKET=${mountPoint}/${socketName}`;
  return {
    ...spec,
    mounts: [...(spec.mounts ?? []), { destination: mountPoint, source, options }],
    process: { ...spec.process, env: [...(spec.process.env ?? []), variable] },
  };
}

/**
 * Opens the way; to be done before the program runs. Undefined when nobody listens or the container was created
 * when nobody did. A manager that cannot be reached is a warning: the container does not depend on it.
 * @throws FailedPrecondition while another `start` has it.
 */
export function openRelay(rt: Runtime, id: string): NotifyRelay | undefined {
  const address = rt.env["NOTIFY_SOCKET"];
  if (!address) return undefined;
  const directory = openDirectory(`${containerDir(rt.root, id)}/${directoryName}`);
  if (directory === undefined) return undefined;
  const native = rt.native();
  let host = -1;
  try {
    host = native.notifyConnect(address);
    return { host, socket: native.notifyListenAt(directory, socketName) };
  } catch (error) {
    if (host >= 0) closeSync(host);
    if (errnoOf(error) === "EADDRINUSE") {
      throw fail("FailedPrecondition", "container is being started by another process");
    }
    rt.log.warn(describe(wrap(error, { op: "cannot forward notifications to", path: address })));
    return undefined;
  } finally {
    closeSync(directory);
  }
}

export function closeRelay(relay: NotifyRelay | undefined): void {
  if (relay === undefined) return;
  closeSync(relay.socket);
  closeSync(relay.host);
}

/**
 * Forwards until the container says READY=1 or ends, then names its init as the main process and waits until the
 * manager has seen that: it looks at who we are, so we must not be gone before.
 */
export async function relayUntilReady(
  rt: Runtime,
  { socket, host }: NotifyRelay,
  { pid, pidfd }: InitProcess,
): Promise<void> {
  const native = rt.native();
  try {
    for (let isReady = false; !isReady; ) {
      const readable = await rt.waiter.wait([socket, pidfd], -1);
      if (readable.includes(socket)) isReady = native.notifyForward(socket, host);
      else if (readable.includes(pidfd)) return;
    }
    sendMainPid(rt, host, pid);
    await barrier(rt, host);
  } catch (error) {
    rt.log.warn(describe(wrap(error, { op: "cannot forward notifications" })));
  }
}

/** Names the main process: the container's init, or, in the foreground, us who stand for it. */
export function sendMainPid(rt: Runtime, host: number, pid: number): void {
  rt.native().send(host, new TextEncoder().encode(`MAINPID=${pid}\n`), []);
}

async function barrier(rt: Runtime, host: number): Promise<void> {
  const native = rt.native();
  const [read, write] = native.pipe();
  try {
    try {
      native.send(host, new TextEncoder().encode("BARRIER=1"), [write]);
    } finally {
      closeSync(write);
    }
    const ended = await rt.waiter.wait([read], barrierMs);
    if (ended.length === 0) rt.log.warn("no answer to the notification barrier after 30 s");
  } finally {
    closeSync(read);
  }
}

function openDirectory(path: string): number | undefined {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  try {
    return openSync(path, flags);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw wrap(error, { op: "open notify directory", path });
  }
}
