/** The runtime's log: one line an event, in the two formats that runc's callers read. */
import { openSync } from "node:fs";
import { wrap } from "./errors.ts";
import { isTerminal, writeAll, writeErr } from "./stdio.ts";

export type LogFormat = "text" | "json";
export type Level = "debug" | "info" | "warning" | "error";

/** Where a running command reports what is not its result. Errors are thrown, and logged once, by main. */
export interface Logger {
  debug(text: string): void;
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
  /** False when lines go to a file: then an error is also for standard error. */
  readonly toStderr: boolean;
}

export interface LogOptions {
  /** Appended to, created 0644; empty for standard error. */
  readonly file: string;
  readonly format: LogFormat;
  readonly debug: boolean;
}

/** RFC 3339 in UTC, whole seconds: dockerd drops the whole message when `time` does not parse. */
function timestamp(now: Date): string {
  return `${now.toISOString().slice(0, 19)}Z`;
}

/** A value of logrus' text format: bare when it is made of harmless characters, else quoted in Go's way. */
function quoted(text: string): string {
  // Nearly every message has a blank, and compiling the expression costs as much as the rest of the line.
  if (!text.includes(" ") && /^[A-Za-z0-9\-._/@^+]*$/.test(text)) return text;
  // JSON's escapes are a subset of what Go's strconv.Unquote reads.
  return JSON.stringify(text);
}

/**
 * One log line without its newline: `time="2026-01-02T03:04:05Z" level=error msg="..."`, or the same three as a
 * JSON object with runc's key order (level, msg, time).
 */
export function formatLine(format: LogFormat, level: Level, text: string, now: Date): string {
  const time = timestamp(now);
  if (format === "json") return JSON.stringify({ level, msg: text, time });
  return `time="${time}" level=${level} msg=${quoted(text)}`;
}

const tags: Readonly<Record<Level, readonly [number, string]>> = {
  debug: [37, "DEBU"],
  info: [36, "INFO"],
  warning: [33, "WARN"],
  error: [31, "ERRO"],
};

/** The form for people at a terminal, as runc prints it: a coloured tag, seconds since the start, the text. */
export function formatForTerminal(level: Level, text: string, seconds: number): string {
  const [colour, tag] = tags[level];
  return `\x1b[${colour}m${tag}\x1b[0m[${String(Math.trunc(seconds)).padStart(4, "0")}] ${text}`;
}

/**
 * Opens the log. A line is one write(2) on an append-only fd, so that lines of several processes do not mix.
 * @throws when the file cannot be opened.
 */
export function openLog(options: LogOptions): Logger {
  const { file, format } = options;
  const fd = file === "" ? 2 : openLogFile(file);
  const started = Date.now();
  const line = (level: Level, text: string): string => {
    const now = new Date();
    return fd === 2 && format === "text" && isTerminal(2)
      ? formatForTerminal(level, text, (now.getTime() - started) / 1000)
      : formatLine(format, level, text, now);
  };
  const log = (level: Level, text: string): void => {
    if (fd === 2) writeErr(`${line(level, text)}\n`);
    else writeToFile(fd, `${line(level, text)}\n`);
  };
  return {
    debug: (text) => {
      if (options.debug) log("debug", text);
    },
    info: (text) => log("info", text),
    warn: (text) => log("warning", text),
    error: (text) => log("error", text),
    toStderr: fd === 2,
  };
}

function openLogFile(file: string): number {
  try {
    return openSync(file, "a", 0o644);
  } catch (error) {
    throw wrap(error, { op: "open log file", path: file, stage: "cli" });
  }
}

/** A log that cannot be written (disk full) must not fail the container; the line goes to standard error. */
function writeToFile(fd: number, line: string): void {
  try {
    writeAll(fd, line);
  } catch {
    writeErr(line);
  }
}
