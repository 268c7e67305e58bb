/** The stdio of a container's process or exec: opens what containerd names and connects the process to it. */
import { fail } from "../../runtime/base/errors.ts";
import type { Logger } from "../../runtime/base/log.ts";
import type { Children } from "../event-loop/children.ts";
import type { Reactor } from "../event-loop/reactor.ts";
import { openLogFile, openSink, openSource, type Sink } from "./fifo.ts";
import { PipeIo } from "./pipes.ts";
import { TerminalIo } from "./terminal.ts";
import { parseStdioUri, type StdioUri } from "./uri.ts";

/** Waits, in milliseconds, that tests make short. */
export interface IoLimits {
  /** For a reader of an output fifo. */
  readonly readerTimeoutMs: number;
  /** For a logger to be ready. */
  readonly readyTimeoutMs: number;
  /** For a logger to end by itself when its input ends. */
  readonly endOfFileGraceMs: number;
  /** From SIGTERM to SIGKILL of a logger. */
  readonly termGraceMs: number;
}

export interface IoEnv {
  readonly reactor: Reactor;
  readonly children: Children;
  readonly log: Logger;
  /** Loggers that have been told to end and have not yet: to be awaited before the daemon ends. */
  readonly endingLoggers: Set<Promise<void>>;
  readonly limits?: Partial<IoLimits>;
}

/** As containerd's Create and Exec say it: paths or URIs, empty for none. */
export interface StdioRequest {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: boolean;
}

/** Whose stdio it is. */
export interface Owner {
  /** Container's, or that of the exec. */
  readonly id: string;
  readonly namespace: string;
  /** Owner of the pipes: io_uid and io_gid of the runtime options. */
  readonly uid: number;
  readonly gid: number;
}

export interface ProcessIo {
  /** For the new process, until handedOver(); -1 is /dev/null. With a terminal all are -1. */
  readonly stdio: readonly [number, number, number];
  /** The process has been started with them: closes ours, starts to move bytes. */
  handedOver(): void;
  /** Takes the terminal's master over and starts to move bytes. A process must have its slave open. */
  attachTerminal(master: number): void;
  /** Window size in characters; nothing without a terminal. Sizes given before attachTerminal are not kept. */
  resize(width: number, height: number): void;
  /** CloseIO: the process sees the end of its input once the client has closed its end, too. */
  closeStdin(): void;
  /**
   * The process has ended. Call it at once: only now a terminal comes to its end, which clients wait
   * for before they ask for the deletion. Resolves when the client has read all output, a tenth of
   * a second later at the latest: tell it of the exit then.
   */
  exited(): Promise<void>;
  /** Resolves when all output of an ended process has been moved, `timeoutMs` later at the latest. */
  drained(timeoutMs: number): Promise<void>;
  /** Ends everything at once and lets go of it; a logger is ended in the background. Idempotent. */
  close(): void;
}

const nothing: ProcessIo = {
  stdio: [-1, -1, -1],
  handedOver: () => undefined,
  attachTerminal: () => undefined,
  resize: () => undefined,
  closeStdin: () => undefined,
  exited: () => Promise.resolve(),
  drained: () => Promise.resolve(),
  close: () => undefined,
};

/**
 * Opens the stdio of a process. Call it when the process is about to start: for an exec at Start,
 * not before. A fifo for output is waited for until its reader is there, 30 s at most.
 * @throws NotFound, InvalidArgument or DeadlineExceeded for what cannot be opened; nothing stays open.
 */
export async function openStdio(
  env: IoEnv,
  request: StdioRequest,
  owner: Owner,
): Promise<ProcessIo> {
  const { stdin, stdout, stderr, terminal } = request;
  if (stdin === "" && stdout === "" && stderr === "" && !terminal) return nothing;
  const uri = parseStdioUri(stdout);
  const io = terminal ? new TerminalIo(env) : new PipeIo(env, owner);
  try {
    if (uri.scheme === "binary" || uri.scheme === "binary-v2") await io.addLogger(uri, owner);
    else await addSinks(env, io, request, uri);
    if (stdin !== "") io.addSource(openSource(stdin));
    return io;
  } catch (error) {
    io.close();
    throw error;
  }
}

/** A terminal has one stream only; stdout and stderr that lead to one place are one as well. */
async function addSinks(
  env: IoEnv,
  io: PipeIo | TerminalIo,
  request: StdioRequest,
  uri: StdioUri,
): Promise<void> {
  const open = async (address: string): Promise<Sink | undefined> =>
    address === "" ? undefined : await openSink(address, env.limits?.readerTimeoutMs);
  if (uri.scheme === "file") {
    io.addOutput(openLogFile(uri.path));
  } else if (uri.scheme !== "fifo") {
    throw fail("InvalidArgument", `unknown STDIO scheme ${uri.scheme}`);
  } else if (request.terminal || request.stdout === request.stderr) {
    io.addOutput(await open(uri.path));
  } else {
    io.addOutput(await open(uri.path), "stdout");
    io.addOutput(await open(request.stderr), "stderr");
  }
}
