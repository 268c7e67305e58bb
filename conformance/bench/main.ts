/**
 * Measures tsrunc side by side with other runtimes; run by `make bench`.
 *
 *     node build/conformance/bench/main.js [--out FILE] [--rounds N] [--runtime PATH] [--against runc,crun]
 *
 * Needs root. The table goes to standard output, progress to standard error.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { containerId, plan, type Schedule } from "./schedule.ts";
import { judge, ratios, type Summary, summarise, type Verdict } from "./statistics.ts";
import { clear, type Scene, setScene } from "./subjects.ts";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    rounds: { type: "string", default: "24" },
    runtime: { type: "string", default: process.env["RUNTIME"] ?? "dist/bin/tsrunc" },
    against: { type: "string", default: "runc,crun" },
  },
});

const unifiedControllers = "/sys/fs/cgroup/unified/cgroup.controllers";
const insideMark = "TSRUNC_BENCH_INSIDE";

/**
 * crun refuses a hybrid host whose unified hierarchy has controllers left. In a mount namespace of our own it sees
 * none: nothing changes for the host, and all runtimes are measured under the same conditions.
 */
function enterPrivateMounts(): void {
  const command = [process.execPath, ...process.argv.slice(1)];
  const { status } = spawnSync("unshare", ["--mount", "--propagation", "private", ...command], {
    stdio: "inherit",
    env: { ...process.env, [insideMark]: "1" },
  });
  process.exit(status ?? 1);
}

function hideUnifiedControllers(): void {
  if (!existsSync(unifiedControllers) || readFileSync(unifiedControllers, "utf8") === "") return;
  execFileSync("mount", ["--bind", "/dev/null", unifiedControllers]);
}

/** Runs the schedule; times in milliseconds by label. */
async function measure(scene: Scene, schedule: Schedule): Promise<Map<string, number[]>> {
  const stopwatch = join(import.meta.dirname, "../../bench-stopwatch");
  const complaints = join(scene.directory, "stderr");
  const steps = join(scene.directory, "steps");
  writeFileSync(steps, `${schedule.steps.join("\n")}\n`);
  const stdin = openSync(steps, "r");
  const stderr = openSync(complaints, "a");
  const child = spawn(stopwatch, [], { stdio: [stdin, "pipe", stderr] });
  closeSync(stdin);
  closeSync(stderr);
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const stop = () => child.kill("SIGKILL");
  process.on("SIGINT", stop).on("SIGTERM", stop);
  if (child.stdout === null) throw new Error("bench: no output of the stopwatch");
  const samples = new Map<string, number[]>();
  let done = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [label = "", nanoseconds] = line.split("\t");
    const times = samples.get(label) ?? [];
    times.push(Number(nanoseconds) / 1e6);
    samples.set(label, times);
    showProgress(++done, schedule.measurements);
  }
  if ((await ended) !== 0) {
    throw new Error(`a measurement failed:\n${readFileSync(complaints, "utf8").slice(-2000)}`);
  }
  return samples;
}

function showProgress(done: number, all: number): void {
  const percent = Math.floor((done / all) * 100);
  if (percent === Math.floor(((done - 1) / all) * 100)) return;
  if (process.stderr.isTTY)
    process.stderr.write(`\rbench: ${percent} %${done === all ? "\n" : ""}`);
  else if (percent % 20 === 0) process.stderr.write(`bench: ${percent} %\n`);
}

function table(summaries: readonly Summary[]): string {
  const all = ratios(summaries);
  const lines = summaries.map(({ mode, command, subject, median, low, high, samples }) => {
    const ratio = all.find(
      (r) => r.mode === mode && r.command === command && r.against === subject,
    );
    const shown = ratio === undefined ? "" : `${ratio.ratio.toFixed(2)} x`;
    const spread = `${low.toFixed(2)}-${high.toFixed(2)}`;
    return (
      `${command.padEnd(9)} ${mode}  ${subject.padEnd(16)} ${median.toFixed(2).padStart(7)}  ` +
      `${spread.padStart(13)}  ${String(samples).padStart(4)}  ${shown}`
    );
  });
  const head = "command   mode   of                ms, med       quartiles     n  tsrunc takes";
  return [head, ...lines].join("\n");
}

function verdictLine({ what, limit, value, met }: Verdict): string {
  return `${met ? "met   " : "missed"} ${value.toFixed(2)} (budget ${limit}): ${what}`;
}

function document(scene: Scene, summaries: readonly Summary[]): unknown {
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: { cpus: cpus().length, kernel: release() },
    versions: Object.fromEntries(scene.runtimes.map(({ name, version }) => [name, version])),
    unit: "ms",
    summaries,
    ratios: ratios(summaries),
    budgets: judge(summaries),
  };
}

async function main(): Promise<void> {
  hideUnifiedControllers();
  const others = values.against.split(",").filter((name) => name !== "");
  const scene = setScene(values.runtime, others);
  try {
    const rounds = Number(values.rounds);
    // Warms caches up, and shows early whether everything works.
    await measure(scene, plan(scene, 1));
    const summaries = summarise(await measure(scene, plan(scene, rounds)));
    process.stdout.write(
      `${table(summaries)}\n\n${judge(summaries).map(verdictLine).join("\n")}\n`,
    );
    if (values.out !== undefined) {
      writeFileSync(values.out, `${JSON.stringify(document(scene, summaries), undefined, 2)}\n`);
    }
  } finally {
    clear(scene, [containerId]);
  }
}

if (process.geteuid?.() !== 0) throw new Error("bench: containers of all runtimes need root");
if (process.env[insideMark] === undefined) enterPrivateMounts();
await main();
