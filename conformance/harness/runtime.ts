/** Owns running the runtime under test as a command: arguments, captured output, exit status and the JSON log. */
import { spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { runToken, runtimeFlags, runtimePath } from "./environment.ts";
import { scratchPath, stateRoot } from "./scratch.ts";

export interface LogEntry {
  readonly level: string;
  readonly msg: string;
  readonly time: string;
}

export interface InvokeOptions {
  cwd?: string;
  /** Added to the runtime's environment; undefined takes a variable out. */
  env?: Record<string, string | undefined>;
  /** Text for stdin; stdin is /dev/null without it. */
  input?: string;
  /** Host descriptors that the runtime gets as 3, 4, ... */
  fds?: readonly number[];
  timeoutMs?: number;
  /** Replaces the run's --root; null leaves the flag out. */
  root?: string | null;
  /** Global flags in place of `--log FILE --log-format json`. */
  globals?: readonly string[];
  /** Puts a program in front of the runtime, for example the probe's host-subreaper. */
  wrapper?: readonly string[];
}

/** What one command did. stdout and stderr are files, because a container keeps its creator's descriptors open. */
export class Result {
  readonly command: string;
  readonly status: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  private readonly files: CapturedFiles;

  constructor(
    command: string,
    files: CapturedFiles,
    status: number | null,
    signal: string | null,
    timedOut: boolean,
  ) {
    this.command = command;
    this.files = files;
    this.status = status;
    this.signal = signal;
    this.timedOut = timedOut;
  }

  /** All output so far; a container that was created with it may still add to it. */
  get stdout(): string {
    return readFileSync(this.files.stdout, "utf8");
  }

  get stderr(): string {
    return readFileSync(this.files.stderr, "utf8");
  }

  /** The JSON log; throws when a line is not JSON, because the engines parse it line by line. */
  get log(): LogEntry[] {
    if (!existsSync(this.files.log)) return [];
    const lines = readFileSync(this.files.log, "utf8").split("\n").filter(Boolean);
    return lines.map((line) => JSON.parse(line) as LogEntry);
  }

  /** What go-runc shows its user: the message of the last entry with level error. */
  get lastError(): string | undefined {
    return this.log.findLast((entry) => entry.level === "error")?.msg;
  }

  /** Every text in which a caller could look for the reason of a failure. */
  get errorText(): string {
    return `${this.lastError ?? ""}\n${this.stderr}`;
  }

  describe(): string {
    const ending = this.timedOut ? "timed out" : `ended with ${this.signal ?? this.status}`;
    const log = existsSync(this.files.log) ? readFileSync(this.files.log, "utf8") : "";
    return `${this.command}\n  ${ending}\n  stdout: ${this.stdout}\n  stderr: ${this.stderr}\n  log: ${log}`;
  }

  /** Returns itself when the command ended with 0, else throws with everything that is known. */
  ok(): this {
    if (this.status !== 0) throw new Error(`expected success: ${this.describe()}`);
    return this;
  }

  /** Demands a failure whose text matches; `status` demands that exit status. */
  fails(pattern?: RegExp, status?: number): this {
    if (this.status === 0 || this.timedOut)
      throw new Error(`expected a failure: ${this.describe()}`);
    if (status !== undefined && this.status !== status)
      throw new Error(`expected status ${status}: ${this.describe()}`);
    if (pattern && !pattern.test(this.errorText))
      throw new Error(`expected ${pattern}: ${this.describe()}`);
    return this;
  }
}

interface CapturedFiles {
  readonly stdout: string;
  readonly stderr: string;
  readonly log: string;
}

interface Prepared {
  readonly file: string;
  readonly args: string[];
  readonly files: CapturedFiles;
  readonly stdio: ("ignore" | "pipe" | number)[];
  readonly opened: number[];
  readonly env: NodeJS.ProcessEnv;
}

const defaultTimeoutMs = 60_000;

function prepare(args: readonly string[], options: InvokeOptions): Prepared {
  const prefix = scratchPath("call");
  const files = { stdout: `${prefix}.stdout`, stderr: `${prefix}.stderr`, log: `${prefix}.log` };
  const globals = options.globals ?? ["--log", files.log, "--log-format", "json"];
  const root = options.root === undefined ? stateRoot() : options.root;
  const full = [...runtimeFlags, ...(root === null ? [] : ["--root", root]), ...globals, ...args];
  const opened = [openSync(files.stdout, "a"), openSync(files.stderr, "a")];
  const [token, value] = runToken.split("=") as [string, string];
  return {
    file: options.wrapper?.[0] ?? runtimePath,
    args: options.wrapper ? [...options.wrapper.slice(1), runtimePath, ...full] : full,
    files,
    opened,
    stdio: [options.input === undefined ? "ignore" : "pipe", ...opened, ...(options.fds ?? [])],
    env: { ...process.env, [token]: value, ...options.env },
  };
}

/** Runs one command to its end. Blocks; a command that takes longer than `timeoutMs` is killed and fails `ok()`. */
export function invoke(args: readonly string[], options: InvokeOptions = {}): Result {
  const call = prepare(args, options);
  const done = spawnSync(call.file, call.args, {
    stdio: call.stdio,
    env: call.env,
    timeout: options.timeoutMs ?? defaultTimeoutMs,
    killSignal: "SIGKILL",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.input === undefined ? {} : { input: options.input }),
  });
  for (const fd of call.opened) closeSync(fd);
  const timedOut = (done.error as NodeJS.ErrnoException | undefined)?.code === "ETIMEDOUT";
  if (done.error && !timedOut) throw done.error;
  return new Result(
    [call.file, ...call.args].join(" "),
    call.files,
    done.status,
    done.signal,
    timedOut,
  );
}

export interface Launched {
  readonly pid: number;
  /** Output so far. */
  readonly stdout: () => string;
  readonly done: Promise<Result>;
  readonly kill: (signal: NodeJS.Signals) => void;
}

/** Starts one command without waiting for it. */
export function launch(args: readonly string[], options: InvokeOptions = {}): Launched {
  const call = prepare(args, options);
  const child = spawn(call.file, call.args, {
    stdio: call.stdio,
    env: call.env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  if (options.input !== undefined) child.stdin?.end(options.input);
  for (const fd of call.opened) closeSync(fd);
  const done = new Promise<Result>((resolve, reject) => {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, options.timeoutMs ?? defaultTimeoutMs);
    child.on("error", reject);
    child.on("exit", (status, signal) => {
      clearTimeout(timer);
      resolve(
        new Result([call.file, ...call.args].join(" "), call.files, status, signal, timedOut),
      );
    });
  });
  return {
    pid: child.pid ?? -1,
    stdout: () => readFileSync(call.files.stdout, "utf8"),
    done,
    kill: (signal) => void child.kill(signal),
  };
}
