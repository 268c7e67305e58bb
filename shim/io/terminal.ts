/** Stdio with a terminal: bytes between the terminal's master and the client's fifos, and its window size. */
import { constants, openSync } from "node:fs";
import { errnoName } from "../../runtime/base/errno.ts";
import { describe, errnoText } from "../../runtime/base/errors.ts";
import type { Copy } from "../event-loop/reactor.ts";
import { closeFd } from "./fds.ts";
import type { Sink, Source } from "./fifo.ts";
import { type LogProcess, startLogger } from "./logger.ts";
import type { IoEnv, Owner, ProcessIo } from "./stdio.ts";
import { taken } from "./taken.ts";
import type { StdioUri } from "./uri.ts";
import { within } from "./within.ts";

/**
 * One stream in each direction. A terminal hangs up whenever no process has it open, which is not
 * the end: an init system closes and reopens its console, a getty calls vhangup(2). So we keep the
 * slave open ourselves until the process has exited, and open it again when it was hung up.
 */
export class TerminalIo implements ProcessIo {
  readonly stdio = [-1, -1, -1] as const;
  readonly #env: IoEnv;
  #master = -1;
  #peer = -1;
  #write = -1;
  #hold = -1;
  /** Of a logger's stderr, which ends with the output: fd 4 is promised to it. */
  #unused = -1;
  #source: { read: number; hold: number } | undefined;
  #output: Copy | undefined;
  #input: Copy | undefined;
  #moved: Promise<void> | undefined;
  #logger: LogProcess | undefined;
  #exited = false;
  #closed = false;

  constructor(env: IoEnv) {
    this.#env = env;
  }

  /** Without a sink output is thrown away; it has to be read, or the process would stop at a full terminal. */
  addOutput(sink: Sink | undefined): void {
    this.#write = sink?.write ?? openSync("/dev/null", constants.O_WRONLY);
    this.#hold = sink?.hold ?? -1;
  }

  addSource(source: Source): void {
    this.#source = { ...source };
  }

  async addLogger(uri: StdioUri, owner: Owner): Promise<void> {
    const { native } = this.#env.children;
    const [stdout, write] = native.pipe();
    this.#write = write;
    let stderr = -1;
    try {
      [stderr, this.#unused] = native.pipe();
      this.#logger = await startLogger(this.#env, uri, owner, stdout, stderr);
    } finally {
      closeFd(stdout);
      closeFd(stderr);
    }
  }

  handedOver(): void {
    // the process got nothing of ours
  }

  attachTerminal(master: number): void {
    if (this.#closed) {
      closeFd(master);
      return;
    }
    this.#master = master;
    if (!this.#exited) this.#openPeer();
    this.#moved = this.#guard(this.#moveOutput());
    if (this.#source !== undefined) void this.#guard(this.#moveInput(this.#source));
  }

  /** No copy can be started without fds, which is no reason to end a running process, nor the shim. */
  #guard(moves: Promise<void>): Promise<void> {
    return moves.catch((error: unknown) => this.#env.log.error(`move stdio: ${describe(error)}`));
  }

  /** Whether the slave is open now. It cannot be on kernels before 4.13. */
  #openPeer(): boolean {
    try {
      const peer = this.#env.children.native.openTerminalPeer(this.#master);
      closeFd(this.#peer);
      this.#peer = peer;
      return true;
    } catch (error) {
      this.#env.log.debug(`open the other end of a terminal: ${describe(error)}`);
      return false;
    }
  }

  async #moveOutput(): Promise<void> {
    const { native } = this.#env.children;
    for (;;) {
      this.#output = this.#env.reactor.copy(native.dup(this.#master), native.dup(this.#write));
      const errno = await this.#output.done;
      if (this.#closed) return;
      if (errno !== 0) this.#discard(errno);
      else if (this.#exited || !this.#openPeer()) break;
    }
    this.#write = closeFd(this.#write);
    this.#unused = closeFd(this.#unused);
  }

  /** The logger has ended or a disk is full: the process shall run on. */
  #discard(errno: number): void {
    this.#env.log.warn(
      `write terminal output: ${errnoText(errnoName(errno))}; what follows is lost`,
    );
    closeFd(this.#write);
    this.#write = openSync("/dev/null", constants.O_WRONLY);
  }

  /** Ends when the client has closed its end after CloseIO. */
  async #moveInput(source: { read: number; hold: number }): Promise<void> {
    const { native } = this.#env.children;
    let errno = 0;
    do {
      this.#input = this.#env.reactor.copy(native.dup(source.read), native.dup(this.#master));
      errno = await this.#input.done;
      if (this.#closed) return;
    } while (errno !== 0 && !this.#exited && this.#openPeer());
    source.read = closeFd(source.read);
    this.closeStdin();
  }

  resize(width: number, height: number): void {
    if (this.#master >= 0) this.#env.children.native.setWindowSize(this.#master, width, height);
  }

  closeStdin(): void {
    if (this.#source !== undefined) this.#source.hold = closeFd(this.#source.hold);
  }

  async exited(): Promise<void> {
    this.#hangUp();
    if (this.#moved === undefined || this.#hold < 0) return;
    const { native } = this.#env.children;
    await taken(this.#moved, () => this.#hold >= 0 && native.unread(this.#hold) > 0);
  }

  /** The end of the terminal, when no other process has it open. */
  #hangUp(): void {
    this.#exited = true;
    this.#peer = closeFd(this.#peer);
  }

  async drained(timeoutMs: number): Promise<void> {
    this.#hangUp();
    if (this.#moved !== undefined) await within(this.#moved, timeoutMs);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#output?.cancel();
    this.#input?.cancel();
    this.closeStdin();
    closeFd(this.#source?.read ?? -1);
    this.#source = undefined;
    this.#peer = closeFd(this.#peer);
    this.#master = closeFd(this.#master);
    this.#write = closeFd(this.#write);
    this.#hold = closeFd(this.#hold);
    this.#unused = closeFd(this.#unused);
    this.#logger?.stop();
    this.#logger = undefined;
  }
}
