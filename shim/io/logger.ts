/** Programs that log a process's output: `binary://` and `binary-v2://` addresses (containerd, docs/runtime-v2.md). */
import { closeSync, readSync } from "node:fs";
import { describe, errnoOf, fail, wrap } from "../../runtime/base/errors.ts";
import type { IoEnv, Owner } from "./stdio.ts";
import type { StdioUri } from "./uri.ts";
import { within } from "./within.ts";

const SIGKILL = 9;
const SIGTERM = 15;

/** Nobody sees why a container does not start if its logger keeps fd 5 open and says nothing. */
const READY_TIMEOUT_MS = 30_000;
/** What is still in the pipes shall be read before a SIGTERM ends a logger that does not catch it. */
const END_OF_FILE_GRACE_MS = 1_000;
/** containerd's: loggers count on "ten seconds" for sending the rest away. */
const TERM_GRACE_MS = 12_000;

/** A running logger. */
export interface LogProcess {
  /** Ends it in the background, after all writing ends of its pipes that are ours have been closed. */
  stop(): void;
}

class RunningLogger implements LogProcess {
  readonly #env: IoEnv;
  readonly #name: string;
  readonly #pidfd: number;
  readonly #exit: Promise<unknown>;
  #stopping = false;

  constructor(env: IoEnv, name: string, child: { readonly pid: number; readonly pidfd: number }) {
    this.#env = env;
    this.#name = name;
    this.#pidfd = child.pidfd;
    this.#exit = this.#watch(child.pid);
  }

  async #watch(pid: number): Promise<void> {
    try {
      const { status } = await this.#env.children.exit(pid);
      if (status !== 0 && !this.#stopping) {
        this.#env.log.warn(`${this.#name} ended with status ${status}`);
      }
    } catch (error) {
      // the reactor ends, and we with it
      if (!this.#stopping)
        this.#env.log.warn(wrap(error, { op: `wait for ${this.#name}` }).message);
    } finally {
      closeSync(this.#pidfd);
    }
  }

  stop(): void {
    this.#stopping = true;
    const { endingLoggers } = this.#env;
    const ending = this.#end().finally(() => endingLoggers.delete(ending));
    endingLoggers.add(ending);
  }

  async #end(): Promise<void> {
    const { limits } = this.#env;
    if (await within(this.#exit, limits?.endOfFileGraceMs ?? END_OF_FILE_GRACE_MS)) return;
    this.#signal(SIGTERM);
    if (await within(this.#exit, limits?.termGraceMs ?? TERM_GRACE_MS)) return;
    this.#env.log.warn(`${this.#name} does not end after SIGTERM: killing it`);
    this.#signal(SIGKILL);
    await this.#exit;
  }

  #signal(signal: number): void {
    try {
      this.#env.children.native.signalPidfd(this.#pidfd, signal);
    } catch (error) {
      if (errnoOf(error) !== "ESRCH") this.#env.log.warn(describe(error));
    }
  }
}

/**
 * Starts a logger: names and values of the query are its arguments, and its environment is exactly
 * CONTAINER_ID and CONTAINER_NAMESPACE. It reads the output on fds 3 and 4, and closes fd 5 or
 * writes a byte to it when it is ready, which is waited for. `binary-v2` loggers must write it.
 * @param stdout reading end of a pipe; stays the caller's, as does `stderr`
 * @throws what exec says, Unavailable when the logger does not become ready.
 */
export async function startLogger(
  env: IoEnv,
  uri: StdioUri,
  owner: Owner,
  stdout: number,
  stderr: number,
): Promise<LogProcess> {
  const { native } = env.children;
  const [readyRead, readyWrite] = native.pipe();
  try {
    const name = `logger ${uri.path} of ${owner.id}`;
    const child = spawnLogger(
      env,
      uri,
      owner,
      [-1, -1, -1, stdout, stderr, readyWrite],
      readyWrite,
    );
    const logger = new RunningLogger(env, name, child);
    try {
      await untilReady(env, name, readyRead, uri.scheme === "binary-v2");
      return logger;
    } catch (error) {
      logger.stop();
      throw error;
    }
  } finally {
    closeSync(readyRead);
  }
}

function spawnLogger(
  env: IoEnv,
  uri: StdioUri,
  owner: Owner,
  stdio: readonly [number, number, number, ...number[]],
  readyWrite: number,
): { readonly pid: number; readonly pidfd: number } {
  try {
    return env.children.native.spawn({
      file: uri.path,
      argv: [uri.path, ...uri.query.flat()],
      env: [`CONTAINER_ID=${owner.id}`, `CONTAINER_NAMESPACE=${owner.namespace}`],
      stdio,
      keepFds: [],
      cloneFlags: 0,
      cgroupFd: -1,
    });
  } catch (error) {
    throw wrap(error, { op: "start logger", path: uri.path });
  } finally {
    closeSync(readyWrite);
  }
}

/** Waits for the ready byte, or the end of its pipe where that will do. */
async function untilReady(env: IoEnv, name: string, fd: number, required: boolean): Promise<void> {
  const timeoutMs = env.limits?.readyTimeoutMs ?? READY_TIMEOUT_MS;
  if (!(await env.reactor.ready(fd, { timeoutMs }))) {
    throw fail("DeadlineExceeded", `${name} is not ready after ${timeoutMs / 1000} s`);
  }
  if (readSync(fd, new Uint8Array(1)) === 0 && required) {
    throw fail("Unavailable", `${name} ended or closed fd 5 without saying that it is ready`);
  }
}
