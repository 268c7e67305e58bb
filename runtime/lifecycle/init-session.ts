/** The parent's half of the conversation with init (its other half: native/init/message.c). */
import { closeSync } from "node:fs";
import { encodePlan } from "../../schemas/generated/plan.ts";
import { errnoName } from "../base/errno.ts";
import { fail, type RuntimeError } from "../base/errors.ts";
import { libexecDir } from "../native/binding.ts";
import type { Plan } from "../plan/plan.ts";
import { syncPoint } from "../plan/plan.ts";
import type { Runtime } from "./context.ts";
import { initError } from "./init-error.ts";

const messageType = {
  sync: 1,
  forked: 2,
  error: 3,
  console: 4,
  notify: 5,
  warning: 6,
  exec: 7,
} as const;

const SIGKILL = 9;
const HEADER_SIZE = 16;
const answer = new Uint8Array([1, 0, 0, 0]);

/** A message of init, decoded; init may be in a hostile container by now, so lengths are checked. */
interface Message {
  readonly type: number;
  readonly index: number;
  readonly error: number;
  readonly value: number;
  readonly text: string;
  readonly fds: readonly number[];
}

/** A process on its way to becoming the container's. */
export interface InitProcess {
  readonly pid: number;
  readonly pidfd: number;
}

/** What the caller does when init waits for it. A thrown error ends init. */
export interface SessionHandlers {
  /** The user namespace exists and has no ids yet. */
  mapIds?(init: InitProcess): void | Promise<void>;
  /** Returns the state for the hooks that init runs next, as an fd which is closed afterwards; -1 for none. */
  runtimeHooks?(init: InitProcess): Promise<number>;
  /** All but the program is ready. Returns the state for startContainer hooks as runtimeHooks does. */
  ready(init: InitProcess): Promise<number>;
  /** The terminal's master; the handler owns the fd. */
  console?(master: number, name: string): void;
  /** The seccomp listener; closed afterwards. */
  notify?(listener: number, init: InitProcess): void;
}

export interface Session {
  readonly plan: Plan;
  readonly fd: number;
  /** What spawn returned; with a forking plan only the first of two processes. */
  readonly first: InitProcess;
}

export interface SpawnInit {
  readonly plan: Plan;
  readonly stdio: readonly [number, number, number];
  /** Fds that operations of the plan refer to, and those to preserve. */
  readonly fds: readonly number[];
  /** v2 cgroup directory, or -1. */
  readonly cgroupFd: number;
}

/** Starts init from a sealed copy of its executable, so that no container can reach the file (CVE-2019-5736). */
export function spawnInit(rt: Runtime, { plan, stdio, fds, cgroupFd }: SpawnInit): Session {
  const native = rt.native();
  const opened: number[] = [];
  try {
    const image = native.sealedCopy(`${libexecDir()}/init`);
    opened.push(image);
    const planFd = native.sealedMemory("plan", encodePlan(plan.ops));
    opened.push(planFd);
    const [ours, theirs] = native.socketPair();
    opened.push(theirs);
    const first = native.spawn({
      file: image,
      argv: ["tsrunc-init", `${planFd},${theirs}`],
      env: [],
      stdio,
      keepFds: [planFd, theirs, ...fds],
      cloneFlags: plan.cloneFlags,
      cgroupFd,
    });
    return { plan, fd: ours, first };
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

/**
 * Talks with init until it is ready (and answered), with `untilExec` until it has executed the program.
 * Returns the process that counts. On failure init is dead and reaped, and the error says what it tried.
 */
export async function converse(
  rt: Runtime,
  session: Session,
  handlers: SessionHandlers,
  untilExec: boolean,
): Promise<InitProcess> {
  const conversation = new Conversation(rt, session, handlers);
  try {
    return await conversation.run(untilExec);
  } catch (error) {
    conversation.kill();
    throw error;
  } finally {
    closeSync(session.fd);
  }
}

class Conversation {
  readonly #rt: Runtime;
  readonly #session: Session;
  readonly #handlers: SessionHandlers;
  /** Undefined while a forking plan has not forked. */
  #init: InitProcess | undefined;
  /** A sync that overtook the report of the fork: two processes write to one socket. */
  #early: Message | undefined;
  #executing = false;

  constructor(rt: Runtime, session: Session, handlers: SessionHandlers) {
    this.#rt = rt;
    this.#session = session;
    this.#handlers = handlers;
    this.#init = session.plan.forks ? undefined : session.first;
  }

  async run(untilExec: boolean): Promise<InitProcess> {
    for (;;) {
      const message = await this.#next();
      if (message === undefined) return this.#closed();
      const reached = await this.#handle(message);
      if (reached === syncPoint.ready && !untilExec) return this.#required();
    }
  }

  /** Ends what has been started. The first process of a forking plan is reaped once the fork is known. */
  kill(): void {
    const { pid, pidfd } = this.#init ?? this.#session.first;
    try {
      this.#rt.native().signalPidfd(pidfd, SIGKILL);
    } catch {
      // it has ended by itself
    }
    this.#rt.native().waitPid(pid, false);
    closeSync(pidfd);
  }

  async #next(): Promise<Message | undefined> {
    const native = this.#rt.native();
    for (;;) {
      try {
        const { data, fds } = native.receive(this.#session.fd);
        return data === undefined ? undefined : decode(data, fds);
      } catch (error) {
        if ((error as { code?: string }).code !== "EAGAIN") throw error;
      }
      await this.#rt.waiter.wait([this.#session.fd], -1);
    }
  }

  /** Out: the sync point that was answered, if it was one. */
  async #handle(message: Message): Promise<number | undefined> {
    switch (message.type) {
      case messageType.sync:
        if (this.#init === undefined) {
          this.#early = message;
          return undefined;
        }
        return this.#sync(message.value);
      case messageType.forked:
        return this.#forked(message.value);
      case messageType.error:
        throw this.#failure(message);
      case messageType.console:
        this.#console(message);
        return undefined;
      case messageType.notify:
        this.#notify(message);
        return undefined;
      case messageType.warning:
        this.#rt.log.warn(message.text);
        return undefined;
      case messageType.exec:
        this.#executing = true;
        return undefined;
      default:
        throw fail("Internal", `init sent an unknown message ${message.type}`);
    }
  }

  async #forked(pid: number): Promise<number | undefined> {
    const native = this.#rt.native();
    this.#init = { pid, pidfd: native.openPidfd(pid) };
    native.waitPid(this.#session.first.pid, false);
    closeSync(this.#session.first.pidfd);
    const early = this.#early;
    return early === undefined ? undefined : this.#sync(early.value);
  }

  async #sync(point: number): Promise<number> {
    const init = this.#required();
    const handlers = this.#handlers;
    let state = -1;
    if (point === syncPoint.mapIds) await handlers.mapIds?.(init);
    else if (point === syncPoint.runtimeHooks) state = (await handlers.runtimeHooks?.(init)) ?? -1;
    else state = await handlers.ready(init);
    this.#answer(state);
    return point;
  }

  #answer(state: number): void {
    try {
      this.#rt.native().send(this.#session.fd, answer, state >= 0 ? [state] : []);
    } finally {
      if (state >= 0) closeSync(state);
    }
  }

  #console({ fds, text }: Message): void {
    const [master] = fds;
    if (master === undefined) throw fail("Internal", "init sent no terminal");
    if (this.#handlers.console === undefined) closeSync(master);
    else this.#handlers.console(master, text);
  }

  #notify({ fds }: Message): void {
    const [listener] = fds;
    if (listener === undefined) throw fail("Internal", "init sent no seccomp listener");
    try {
      this.#handlers.notify?.(listener, this.#required());
    } finally {
      closeSync(listener);
    }
    this.#answer(-1);
  }

  /** The socket is closed by execve, or because init died. */
  #closed(): InitProcess {
    if (this.#executing) return this.#required();
    const status = this.#rt.native().waitPid((this.#init ?? this.#session.first).pid, true);
    const how = status === undefined ? "" : `: exit status ${status}`;
    throw fail("Internal", `container init ended before it was ready${how}`, {
      stage: "init",
      ...(status === 137 ? { hint: "killed: is the memory limit too low?" } : {}),
    });
  }

  #failure(message: Message): RuntimeError {
    const [step = "", detail = ""] = message.text.split("\0");
    const errno = errnoName(message.error);
    return initError(this.#session.plan, { index: message.index, errno, step, detail });
  }

  #required(): InitProcess {
    if (this.#init === undefined) throw fail("Internal", "init did not report its pid");
    return this.#init;
  }
}

function decode(data: Uint8Array, fds: readonly number[]): Message {
  if (data.length < HEADER_SIZE) throw fail("Internal", "init sent a damaged message");
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return {
    type: view.getUint32(0, true),
    index: view.getUint32(4, true),
    error: view.getInt32(8, true),
    value: view.getUint32(12, true),
    text: new TextDecoder().decode(data.subarray(HEADER_SIZE)),
    fds,
  };
}

/** Reads errors from a started init over the gate's connection; returns when the program is executed. */
export async function awaitExec(rt: Runtime, fd: number): Promise<void> {
  const native = rt.native();
  let executing = false;
  for (;;) {
    await rt.waiter.wait([fd], -1);
    const { data, fds } = native.receive(fd);
    if (data === undefined) break;
    const { type, index, error, text } = decode(data, fds);
    for (const extra of fds) closeSync(extra);
    if (type === messageType.exec) executing = true;
    if (type !== messageType.error) continue;
    const [step = "", detail = ""] = text.split("\0");
    throw initError(undefined, { index, errno: errnoName(error), step, detail });
  }
  if (!executing)
    throw fail("FailedPrecondition", "container init ended before its program was executed");
}
