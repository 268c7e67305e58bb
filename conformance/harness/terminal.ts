/** Owns terminals for cases: a pty around a command, and the receiver behind --console-socket, both by the probe's host helpers. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { probePath, runToken } from "./environment.ts";
import type { InvokeOptions } from "./runtime.ts";
import { scratchPath } from "./scratch.ts";
import { until } from "./wait.ts";

export interface TerminalEvent {
  event:
    | "before"
    | "after"
    | "termios"
    | "started"
    | "output"
    | "received"
    | "exit"
    | "listening"
    | "closed"
    | "left"
    | "reaped";
  [member: string]: unknown;
}

/** Settings of a terminal, as the helper reports them. */
export interface Termios {
  iflag: number;
  oflag: number;
  cflag: number;
  lflag: number;
  echo: boolean;
  canonical: boolean;
  onlcr: boolean;
  rows: number;
  cols: number;
}

/** A descriptor that came over a socket. */
export interface Received {
  fd: number;
  name: string;
  target: string;
  isatty: boolean;
  /** The process that a pidfd refers to, else -1. */
  pid: number;
}

const running = new Set<ChildProcessWithoutNullStreams>();

/** Ends the helpers that a failed case has not closed. */
export function closeTerminals(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** A helper process that speaks JSON lines. */
export class Terminal {
  private readonly child: ChildProcessWithoutNullStreams;
  private text = "";
  private ended = false;

  constructor(args: readonly string[], options: InvokeOptions = {}) {
    const [token, value] = runToken.split("=") as [string, string];
    const env = { ...process.env, [token]: value, ...options.env };
    this.child = spawn(probePath(), args, { env, stdio: "pipe" });
    this.child.stdout.on("data", (chunk: Buffer) => {
      this.text += chunk.toString("utf8");
    });
    running.add(this.child);
    this.child.on("exit", () => {
      running.delete(this.child);
      this.ended = true;
    });
    this.child.stdin.on("error", () => undefined);
  }

  get events(): TerminalEvent[] {
    const lines = this.text.split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as TerminalEvent);
  }

  /** All output on the terminal so far. */
  get output(): string {
    return this.events
      .map((event) => (event.event === "output" ? String(event["text"]) : ""))
      .join("");
  }

  /** The first event of a kind, once it has come. */
  async event<T = TerminalEvent>(kind: TerminalEvent["event"], timeoutMs = 20_000): Promise<T> {
    return until(
      `terminal event ${kind} (so far ${this.text})`,
      () => this.find(kind),
      timeoutMs,
    ) as Promise<T>;
  }

  find(kind: TerminalEvent["event"]): TerminalEvent | undefined {
    return this.events.find((event) => event.event === kind);
  }

  async prints(pattern: RegExp, timeoutMs = 20_000): Promise<string> {
    return until(`${pattern} on the terminal`, () => pattern.exec(this.output)?.[0], timeoutMs);
  }

  /** Types text; newline and escapes are written as \n and \xHH by JSON-like escaping here. */
  type(text: string): void {
    const escaped = [...text].map((c) =>
      c < " " || c === "\\" ? `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}` : c,
    );
    this.say(`send ${escaped.join("")}`);
  }

  /** Asks for the current settings; they come as a "termios" event. */
  askTermios(): void {
    this.say("termios");
  }

  resize(rows: number, cols: number): void {
    this.say(`resize ${rows} ${cols}`);
  }

  /** Sends a signal to the command on the pty. */
  signal(number: number): void {
    this.say(`signal ${number}`);
  }

  /** Closes our end: a hangup for what runs on the terminal. */
  async close(): Promise<void> {
    this.say("close");
    this.child.stdin.end();
    await until("the terminal helper's end", () => this.ended);
  }

  /** Waits for the command's end and returns its exit status. */
  async exit(timeoutMs = 30_000): Promise<number> {
    const { status } = await this.event<{ status: number }>("exit", timeoutMs);
    this.child.stdin.end();
    return status;
  }

  private say(line: string): void {
    if (!this.ended) this.child.stdin.write(`${line}\n`);
  }
}

/** Runs a command with a new pty as its controlling terminal. */
export function onPty(
  command: readonly string[],
  rows = 24,
  cols = 80,
  options: InvokeOptions = {},
): Terminal {
  return new Terminal(["host-pty", String(rows), String(cols), "--", ...command], options);
}

/** What a subreaper sees once its command has ended. */
export interface Left {
  /** The subreaper itself. */
  pid: number;
  status: number;
  /** Its remaining children, separated by blanks. */
  children: string;
}

export interface Subreaper {
  readonly left: () => Promise<Left>;
  /** Lets the subreaper reap and end. */
  readonly close: () => Promise<void>;
}

/** Runs a command below a subreaper that stays until it is closed. Nothing the command leaves may hold its output. */
export function onSubreaper(command: readonly string[]): Subreaper {
  const terminal = new Terminal(["host-subreaper", "--", ...command]);
  return {
    left: () => terminal.event<Left>("left"),
    close: () => terminal.close(),
  };
}

export interface Receiver {
  readonly path: string;
  readonly terminal: Terminal;
}

/** Listens on a new unix socket for one descriptor (a console, a pidfd, a seccomp listener). */
export async function receiver(path: string = scratchPath("sock")): Promise<Receiver> {
  const terminal = new Terminal(["host-console", path]);
  await terminal.event("listening");
  return { path, terminal };
}

/** Binds a new datagram socket, as systemd does for a service; its datagrams come as output. */
export async function notifySocket(): Promise<Receiver> {
  const path = scratchPath("notify");
  const terminal = new Terminal(["host-notify", path]);
  await terminal.event("listening");
  return { path, terminal };
}
