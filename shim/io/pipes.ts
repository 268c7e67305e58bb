/** Stdio without a terminal: pipes to the process, and what moves bytes between them and the client's fifos. */
import { constants, fchownSync, openSync } from "node:fs";
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

type Stream = "stdin" | "stdout" | "stderr";

const numbers: Readonly<Record<Stream, 0 | 1 | 2>> = { stdin: 0, stdout: 1, stderr: 2 };

/** One way from the process to where its output goes. */
class Output {
  /** What the process writes to arrives here; the copy's once it has been started. */
  from: number;
  /** As `from`, for files only: their copy may fail, a disk is full, and the process shall not notice. */
  spare: number;
  write: number;
  hold: number;
  copy: Copy | undefined;
  moved: Promise<void> | undefined;

  constructor(sink: Sink) {
    this.from = -1;
    this.spare = -1;
    this.write = sink.write;
    this.hold = sink.hold;
  }

  close(): void {
    this.copy?.cancel();
    this.from = closeFd(this.from);
    this.spare = closeFd(this.spare);
    this.write = closeFd(this.write);
    this.hold = closeFd(this.hold);
  }
}

/**
 * Pipes for a process without a terminal. The process never gets a client's fifo or a log file
 * itself: they would become its user's, it could truncate them, and could not reopen /dev/stdout.
 */
export class PipeIo implements ProcessIo {
  readonly stdio: [number, number, number] = [-1, -1, -1];
  readonly #env: IoEnv;
  readonly #uid: number;
  readonly #gid: number;
  #outputs: Output[] = [];
  #source: { read: number; hold: number } | undefined;
  #toProcess = -1;
  #input: Copy | undefined;
  #logger: LogProcess | undefined;
  #closed = false;

  constructor(env: IoEnv, owner: Owner) {
    this.#env = env;
    this.#uid = owner.uid;
    this.#gid = owner.gid;
  }

  /** Sends a stream, or both in the order they are written, to a sink, which becomes ours. */
  addOutput(sink: Sink | undefined, stream?: "stdout" | "stderr"): void {
    if (sink === undefined) return;
    const output = new Output(sink);
    this.#outputs.push(output);
    output.from = this.#pipeFrom(stream ?? "stdout");
    if (sink.hold < 0) output.spare = this.#env.children.native.dup(output.from);
    if (stream === undefined) this.stdio[2] = this.stdio[1];
  }

  addSource(source: Source): void {
    this.#source = { ...source };
    const [read, write] = this.#env.children.native.pipe();
    this.#toProcess = write;
    this.#give("stdin", read);
  }

  /** Sends both streams straight to a logger. */
  async addLogger(uri: StdioUri, owner: Owner): Promise<void> {
    const stdout = this.#pipeFrom("stdout");
    let stderr = -1;
    try {
      stderr = this.#pipeFrom("stderr");
      this.#logger = await startLogger(this.#env, uri, owner, stdout, stderr);
    } finally {
      // the logger has them: when it ends, the process shall notice
      closeFd(stdout);
      closeFd(stderr);
    }
  }

  /** A pipe whose writing end is the process's. Returns the other. */
  #pipeFrom(stream: Stream): number {
    const [read, write] = this.#env.children.native.pipe();
    try {
      this.#give(stream, write);
      return read;
    } catch (error) {
      closeFd(read);
      throw error;
    }
  }

  /** The process may be root of a user namespace, and can reopen only what belongs to it (/dev/stdout). */
  #give(stream: Stream, fd: number): void {
    this.stdio[numbers[stream]] = fd;
    if (this.#uid !== 0 || this.#gid !== 0) fchownSync(fd, this.#uid, this.#gid);
  }

  handedOver(): void {
    this.#closeStdio();
    for (const output of this.#outputs) output.moved ??= this.#guard(this.#moveOutput(output));
    if (this.#source !== undefined && this.#source.read >= 0) {
      void this.#guard(this.#moveInput(this.#source));
    }
  }

  /** No copy can be started without fds, which is no reason to end a running process, nor the shim. */
  #guard(moves: Promise<void>): Promise<void> {
    return moves.catch((error: unknown) => this.#env.log.error(`move stdio: ${describe(error)}`));
  }

  #closeStdio(): void {
    const [stdin, stdout, stderr] = this.stdio;
    closeFd(stdin);
    closeFd(stdout);
    if (stderr !== stdout) closeFd(stderr);
    this.stdio.fill(-1);
  }

  async #moveOutput(output: Output): Promise<void> {
    const { from, write } = output;
    output.from = output.write = -1;
    output.copy = this.#env.reactor.copy(from, write);
    const errno = await output.copy.done;
    if (errno !== 0 && output.spare >= 0 && !this.#closed) {
      const reason = errnoText(errnoName(errno));
      this.#env.log.warn(`write to log file: ${reason}; what follows is lost`);
      const rest = output.spare;
      output.spare = -1;
      output.copy = this.#env.reactor.copy(rest, openSync("/dev/null", constants.O_WRONLY));
      await output.copy.done;
    }
    output.spare = closeFd(output.spare);
  }

  /** Ends when the client has closed its end after CloseIO, and when the process has closed its own. */
  async #moveInput(source: { read: number; hold: number }): Promise<void> {
    const from = source.read;
    const to = this.#toProcess;
    source.read = this.#toProcess = -1;
    this.#input = this.#env.reactor.copy(from, to);
    await this.#input.done;
    this.closeStdin();
  }

  attachTerminal(master: number): void {
    closeFd(master);
  }

  resize(): void {
    // no terminal
  }

  closeStdin(): void {
    if (this.#source !== undefined) this.#source.hold = closeFd(this.#source.hold);
  }

  async exited(): Promise<void> {
    if (this.#outputs.length > 0) await taken(this.#moved(), () => this.#hasUnread());
  }

  #moved(): Promise<unknown> {
    return Promise.all(this.#outputs.map((output) => output.moved));
  }

  #hasUnread(): boolean {
    const { native } = this.#env.children;
    return this.#outputs.some(({ hold }) => hold >= 0 && native.unread(hold) > 0);
  }

  async drained(timeoutMs: number): Promise<void> {
    if (this.#outputs.length > 0) await within(this.#moved(), timeoutMs);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeStdio();
    for (const output of this.#outputs) output.close();
    this.#outputs = [];
    this.#input?.cancel();
    this.#toProcess = closeFd(this.#toProcess);
    this.closeStdin();
    closeFd(this.#source?.read ?? -1);
    this.#source = undefined;
    this.#logger?.stop();
    this.#logger = undefined;
  }
}
