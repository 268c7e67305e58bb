/** Owns running the command line client of a daemon: to its end, or with pipes that a case reads and writes. */
import { spawn } from "node:child_process";
import { runToken } from "../harness/environment.ts";

export interface CommandOptions {
  /** Text for stdin; stdin is /dev/null without it. */
  input?: string | Buffer;
  /** Leaves stdin open for `write`. */
  keepOpen?: boolean;
  timeoutMs?: number;
  cwd?: string;
  /** Added to the environment. */
  env?: Readonly<Record<string, string>>;
}

/** What one command did. */
export class CommandResult {
  readonly command: string;
  readonly status: number | null;
  readonly bytes: Buffer;
  readonly stderr: string;
  /** Wall clock time from start to end. */
  readonly tookMs: number;

  constructor(
    command: string,
    status: number | null,
    bytes: Buffer,
    stderr: string,
    tookMs: number,
  ) {
    this.command = command;
    this.status = status;
    this.bytes = bytes;
    this.stderr = stderr;
    this.tookMs = tookMs;
  }

  get stdout(): string {
    return this.bytes.toString("utf8");
  }

  /** Standard output without blanks around it. */
  get text(): string {
    return this.stdout.trim();
  }

  get lines(): string[] {
    return this.text === "" ? [] : this.text.split("\n");
  }

  describe(): string {
    return `${this.command}\n  ended with ${this.status}\n  stdout: ${this.stdout.slice(0, 2000)}\n  stderr: ${this.stderr.slice(0, 2000)}`;
  }

  ok(): this {
    return this.ended(0);
  }

  /** Demands this exit status. */
  ended(status: number): this {
    if (this.status !== status) throw new Error(`expected status ${status}: ${this.describe()}`);
    return this;
  }

  /** Demands a failure whose text matches, with this status when one is given. */
  fails(pattern: RegExp, status?: number): this {
    if (this.status === 0 || this.status === null)
      throw new Error(`expected a failure: ${this.describe()}`);
    if (!pattern.test(this.stderr + this.stdout))
      throw new Error(`expected ${pattern}: ${this.describe()}`);
    return status === undefined ? this : this.ended(status);
  }
}

export interface Running {
  readonly pid: number;
  /** Output so far. */
  readonly stdout: () => string;
  readonly done: Promise<CommandResult>;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Reads nothing more from its output until `resume`. */
  readonly pause: () => void;
  readonly resume: () => void;
  readonly write: (text: string) => void;
  readonly end: () => void;
}

/** Our environment and the token by which what a command leaves behind is found. */
export function markedEnvironment(): NodeJS.ProcessEnv {
  const [token, value] = runToken.split("=") as [string, string];
  return { ...process.env, [token]: value };
}

/** Starts a program with pipes; `shown` is what messages call it. */
export function launchCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
  shown: readonly string[] = [program, ...args],
): Running {
  const piped = options.input !== undefined || options.keepOpen === true;
  const begun = performance.now();
  const child = spawn(program, args, {
    stdio: [piped ? "pipe" : "ignore", "pipe", "pipe"],
    env: { ...markedEnvironment(), ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error(`${program} has no output`);
  const chunks: Buffer[] = [];
  let errors = "";
  stdout.on("data", (chunk: Buffer) => void chunks.push(chunk));
  stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString("utf8");
  });
  child.stdin?.on("error", () => undefined);
  if (options.input !== undefined) child.stdin?.end(options.input);
  const done = new Promise<CommandResult>((resolve, reject) => {
    const timer = setTimeout(() => {
      errors += "\n(killed: it took too long)";
      child.kill("SIGKILL");
    }, options.timeoutMs ?? 40_000);
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(timer);
      const took = performance.now() - begun;
      const command = shown.join(" ").slice(0, 500);
      resolve(new CommandResult(command, status, Buffer.concat(chunks), errors, took));
    });
  });
  return {
    pid: child.pid ?? -1,
    stdout: () => Buffer.concat(chunks).toString("utf8"),
    done,
    kill: (signal) => void child.kill(signal),
    pause: () => void stdout.pause(),
    resume: () => void stdout.resume(),
    write: (text) => void child.stdin?.write(text),
    end: () => void child.stdin?.end(),
  };
}
