/**
 * Where a command spends its time, as Chrome's trace events (chrome://tracing, ui.perfetto.dev): `--trace FILE` or
 * TSRUNC_TRACE=FILE. Off, a span is one comparison.
 */

/** "Complete" events of the trace event format; times in microseconds. */
interface TraceEvent {
  readonly name: string;
  readonly ph: "X";
  readonly ts: number;
  readonly dur: number;
  readonly pid: number;
  readonly tid: number;
}

interface Trace {
  /** CLOCK_MONOTONIC in microseconds. */
  readonly now: () => number;
  readonly events: TraceEvent[];
}

let trace: Trace | undefined;

const nothing = (): void => {};

/** From now on spans are recorded, and the engine's start before this line is one. */
export function startTrace(now: () => number): void {
  trace = { now, events: [] };
  const ts = now();
  const sinceStart = performance.now() * 1000;
  add(trace, "engine", ts - sinceStart, ts);
}

export function isTracing(): boolean {
  return trace !== undefined;
}

/** Begins a span; call what it returns at the end. Spans inside of others are shown below them. */
export function span(name: string): () => void {
  if (trace === undefined) return nothing;
  const { now } = trace;
  const from = now();
  const to = trace;
  return () => add(to, name, from, now());
}

/** A span of another process. In: CLOCK_MONOTONIC microseconds. */
export function addSpan(name: string, from: number, end: number, pid: number): void {
  if (trace !== undefined) add(trace, name, from, end, pid);
}

/** The trace as the text of a file. */
export function traceText(): string {
  return `${JSON.stringify({ displayTimeUnit: "ns", traceEvents: trace?.events ?? [] })}\n`;
}

function add({ events }: Trace, name: string, from: number, end: number, pid = process.pid): void {
  events.push({ name, ph: "X", ts: from, dur: end - from, pid, tid: pid });
}
