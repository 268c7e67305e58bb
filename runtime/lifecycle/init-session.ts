/** The parent's half of the conversation with init (diagram: runtime/README.md). */
import { closeSync } from "node:fs";
import { encodePlan } from "../../schemas/generated/plan.ts";
import { errnoOf, fail } from "../base/errors.ts";
import { span } from "../base/trace.ts";
import { libexecDir } from "../native/binding.ts";
import type { Plan } from "../plan/plan.ts";
import { syncPoint } from "../plan/plan.ts";
import { capabilityNames } from "../spec/capabilities.ts";
import type { Runtime } from "./context.ts";
import { withFds } from "./fds.ts";
import { answer, failureOf, type Message, messageType, receiveMessage } from "./init-message.ts";
import { addInitSpans, traceable } from "./init-trace.ts";

const SIGKILL = 9;
/** How long the kernel may take to end a process; only one in an uninterruptible wait needs any time. */
const endTimeoutMs = 10_000;

/** A process on its way to becoming the container's. Whoever gets one owns its pidfd. */
export interface InitProcess {
  readonly pid: number;
  readonly pidfd: number;
}

/** What the caller does when init waits for it. A thrown error ends init. Processes are lent, not given. */
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

/** The executable that init is started from, through a sealed copy. */
export function initPath(): string {
  return `${libexecDir()}/init`;
}

/** Starts init from a sealed copy of its executable, so that no container can reach the file (CVE-2019-5736). */
export function spawnInit(rt: Runtime, options: SpawnInit): Session {
  const { stdio, fds, cgroupFd } = options;
  const plan = traceable(options.plan);
  const native = rt.native();
  const spawned = span("spawn init");
  return withFds((own) => {
    const image = rt.initImage?.() ?? own(native.sealedCopy(initPath()));
    const planFd = own(native.sealedMemory("plan", encodePlan(plan.ops)));
    const [ours, theirs] = native.socketPair();
    own(theirs);
    try {
      const first = native.spawn({
        file: image,
        argv: ["tsrunc-init", `${planFd},${theirs}`],
        env: [],
        stdio,
        keepFds: [planFd, theirs, ...fds],
        cloneFlags: plan.cloneFlags,
        cgroupFd,
      });
      spawned();
      return { plan, fd: ours, first };
    } catch (error) {
      closeSync(ours);
      throw error;
    }
  });
}

/**
 * Talks with init until it is ready (and answered), with `untilExec` until it has executed the program.
 * Returns the process that counts, which is the caller's from then on. On failure init is dead and reaped, and the
 * error says what it tried. The session is closed in any case.
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
    await conversation.end();
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
  /** Messages that overtook the report of the fork: two processes write to one socket. */
  readonly #early: Message[] = [];
  #executing = false;

  constructor(rt: Runtime, session: Session, handlers: SessionHandlers) {
    this.#rt = rt;
    this.#session = session;
    this.#handlers = handlers;
    this.#init = session.plan.forks ? undefined : session.first;
  }

  async run(untilExec: boolean): Promise<InitProcess> {
    for (;;) {
      const message = await receiveMessage(this.#rt, this.#session.fd);
      if (message === undefined) return this.#closed();
      const reached = await this.#handle(message);
      if (reached === syncPoint.ready && !untilExec) return this.#required();
    }
  }

  /** Kills and reaps what has been started. Never throws: there is an error already. */
  async end(): Promise<void> {
    const { pid, pidfd } = this.#init ?? this.#session.first;
    const native = this.#rt.native();
    try {
      native.signalPidfd(pidfd, SIGKILL);
      await this.#rt.waiter.wait([pidfd], endTimeoutMs);
    } catch {
      // it has ended by itself
    }
    try {
      native.waitPid(pid, true);
    } catch {
      // reaped already
    }
    closeSync(pidfd);
  }

  /** Out: the sync point that was answered, if it was one. */
  async #handle(message: Message): Promise<number | undefined> {
    if (message.type === messageType.forked) return this.#forked(message.value);
    if (this.#init === undefined) {
      this.#early.push(message);
      return undefined;
    }
    switch (message.type) {
      case messageType.sync:
        return this.#sync(message.value);
      case messageType.error:
        throw failureOf(this.#session.plan, message);
      case messageType.console:
        this.#console(message);
        return undefined;
      case messageType.notify:
        this.#notify(message);
        return undefined;
      case messageType.trace:
        addInitSpans(this.#session.plan, message, this.#init.pid);
        return undefined;
      case messageType.capability:
        this.#rt.log.warn(`${capabilityNames()[message.value]} ${message.text}`);
        return undefined;
      case messageType.exec:
        this.#executing = true;
        return undefined;
      default:
        throw fail("Internal", `init sent an unknown message ${message.type}`);
    }
  }

  /** The first process is done; from here on its successor, our child too (CLONE_PARENT), is init. */
  async #forked(pid: number): Promise<number | undefined> {
    const native = this.#rt.native();
    const { first } = this.#session;
    if (this.#init !== undefined) throw fail("Internal", "init reported a second fork");
    this.#init = { pid, pidfd: native.openPidfd(pid) };
    native.waitPid(first.pid, false);
    closeSync(first.pidfd);
    let reached: number | undefined;
    for (const message of this.#early.splice(0)) reached = await this.#handle(message);
    return reached;
  }

  async #sync(point: number): Promise<number | undefined> {
    const init = this.#required();
    const handlers = this.#handlers;
    const done = span("sync with init");
    let state = -1;
    if (point === syncPoint.mapIds) await handlers.mapIds?.(init);
    else if (point === syncPoint.runtimeHooks) state = (await handlers.runtimeHooks?.(init)) ?? -1;
    else state = await handlers.ready(init);
    done();
    return this.#answer(state) ? point : undefined;
  }

  /** False when init has died; what it said before, or how it ended, is still to be received. */
  #answer(state: number): boolean {
    try {
      this.#rt.native().send(this.#session.fd, answer, state >= 0 ? [state] : []);
      return true;
    } catch (error) {
      if (errnoOf(error) !== "EPIPE") throw error;
      return false;
    } finally {
      if (state >= 0) closeSync(state);
    }
  }

  #console({ fd, text }: Message): void {
    if (fd === undefined) throw fail("Internal", "init sent no terminal");
    if (this.#handlers.console === undefined) closeSync(fd);
    else this.#handlers.console(fd, text);
  }

  /** Init names the listener and we take it: sendmsg may be a call that waits for whoever holds it. */
  #notify({ value }: Message): void {
    const init = this.#required();
    const listener = this.#rt.native().getFd(init.pidfd, value);
    try {
      this.#handlers.notify?.(listener, init);
    } finally {
      closeSync(listener);
    }
    this.#answer(-1);
  }

  /** The socket is closed by execve, or because init died. */
  async #closed(): Promise<InitProcess> {
    const report = this.#early.find(({ type }) => type === messageType.error);
    if (report !== undefined) throw failureOf(this.#session.plan, report);
    if (this.#executing) return this.#required();
    const { pid, pidfd } = this.#init ?? this.#session.first;
    await this.#rt.waiter.wait([pidfd], endTimeoutMs);
    const status = this.#rt.native().waitPid(pid, true);
    const how = status === undefined ? "" : `: exit status ${status}`;
    throw fail("Internal", `container init ended before it was ready${how}`, {
      stage: "init",
      ...(status === 137 ? { hint: "killed: is the memory limit too low?" } : {}),
    });
  }

  #required(): InitProcess {
    if (this.#init === undefined) throw fail("Internal", "init did not report its pid");
    return this.#init;
  }
}
