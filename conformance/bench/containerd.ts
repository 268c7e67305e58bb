/**
 * Measures our containerd shim side by side with runc's; run by `make bench-containerd`.
 *
 *     node build/conformance/bench/containerd.js [--out FILE] [--rounds N] [--execs N]
 *
 * Needs root, containerd with its runc shim, and runc. Both shims take turns under one containerd of the bench's own. The
 * table goes to standard output, progress to standard error.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ctr, mainNamespace, tasks } from "../e2e/containerd/ctr.ts";
import {
  address,
  bundleOf,
  fifoDirectory,
  removeHome,
  startDaemon,
  stopDaemon,
  workDirectory,
} from "../e2e/containerd/daemon.ts";
import { buildImage, imageName } from "../e2e/containerd/image.ts";
import { containerdBin, containerdVersion, daemonPath } from "../e2e/containerd/subject.ts";
import { type Fields, message, ShimClient } from "../e2e/containerd/wire.ts";
import { baseConfig } from "../harness/bundle.ts";
import { parentOf } from "../harness/processes.ts";
import { removeScratch } from "../harness/scratch.ts";
import { sleep } from "../harness/wait.ts";
import { type Measured, type Result, resultOf, table } from "./containerd-results.ts";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    rounds: { type: "string", default: "30" },
    execs: { type: "string", default: "10000" },
  },
});
const rounds = Number(values.rounds);
const shims = ["tsrunc", "runc"] as const;
type Shim = (typeof shims)[number];

const samples = new Map<string, Measured>();

function note(what: string, unit: string, shim: Shim, value: number): void {
  const measured = samples.get(what) ?? { what, unit, tsrunc: [], runc: [] };
  measured[shim].push(value);
  samples.set(what, measured);
}

/** Both shims, `times` times in turn; each round begins with the other one. */
async function alternate(times: number, step: (shim: Shim, round: number) => Promise<void>) {
  for (let round = 0; round < times; round++) {
    for (const shim of round % 2 === 0 ? shims : shims.toReversed()) await step(shim, round);
  }
}

function runtimeFlags(shim: Shim): string[] {
  return ["--runtime", `io.containerd.${shim}.v2`, "--fifo-dir", fifoDirectory()];
}

let serial = 0;

/** Starts a container that sleeps; its id. */
async function up(shim: Shim, group?: string): Promise<string> {
  const id = `${mainNamespace}-${++serial}`;
  const annotation = group ? ["--annotation", `io.containerd.runc.v2.group=${group}`] : [];
  const flags = [...runtimeFlags(shim), ...annotation, "--detach"];
  (await ctr(["run", ...flags, imageName, id, "sleep", "10000"])).ok();
  return id;
}

async function down(id: string): Promise<void> {
  await ctr(["task", "delete", "--force", id]);
  (await ctr(["container", "delete", id])).ok();
}

async function shimOf(id: string): Promise<number> {
  const task = (await tasks()).find((row) => row.id === id);
  if (task === undefined) throw new Error(`no task ${id}`);
  return parentOf(task.pid);
}

async function timeRuns(): Promise<void> {
  await alternate(rounds, async (shim, round) => {
    await sleep(60);
    const id = `${mainNamespace}-${++serial}`;
    const result = (await ctr(["run", "--rm", ...runtimeFlags(shim), imageName, id, "true"])).ok();
    if (round > 0) note("ctr run --rm", "ms", shim, result.tookMs);
  });
}

/** User and system time of a process and of its children that have ended, in ms. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  // utime, stime, cutime, cstime, in ticks of 10 ms
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) * 10;
}

async function timeExecs(): Promise<void> {
  const ids = { tsrunc: await up("tsrunc"), runc: await up("runc") };
  const pids = { tsrunc: await shimOf(ids.tsrunc), runc: await shimOf(ids.runc) };
  const exec = (shim: Shim) => {
    const flags = ["--fifo-dir", fifoDirectory(), "--exec-id", `e${++serial}`];
    return ctr(["task", "exec", ...flags, ids[shim], "true"]);
  };
  await alternate(rounds, async (shim, round) => {
    await sleep(60);
    const { tookMs } = (await exec(shim)).ok();
    if (round > 0) note("ctr task exec", "ms", shim, tookMs);
  });
  // The clock of a process has ticks of 10 ms: many execs for one sample.
  const many = 25;
  await alternate(4, async (shim) => {
    const before = cpuMs(pids[shim]);
    for (let i = 0; i < many; i++) (await exec(shim)).ok();
    note("CPU of shim and runtime per exec", "ms", shim, (cpuMs(pids[shim]) - before) / many);
  });
  for (const id of Object.values(ids)) await down(id);
}

/** Times one command by the stopwatch: nothing of this process's own work is in it. */
function stopwatch(cwd: string, argv: readonly string[]): number {
  const program = join(import.meta.dirname, "../../bench-stopwatch");
  const { stdout, stderr, status } = spawnSync(program, [], {
    cwd,
    input: `${["run", "x", "60000", ...argv].join("\t")}\n`,
    encoding: "utf8",
    env: { ...process.env, PATH: daemonPath, TTRPC_ADDRESS: `${address()}.ttrpc`, GOMAXPROCS: "2" },
  });
  if (status !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
  return Number(stdout.trim().split("\t")[1]) / 1e6;
}

/** The helpers as containerd calls them, on a bundle without a container. */
async function timeHelpers(): Promise<void> {
  const which = (program: string) =>
    daemonPath
      .split(":")
      .map((path) => join(path, program))
      .find((path) => {
        return spawnSync("test", ["-x", path]).status === 0;
      }) ?? program;
  await alternate(rounds, async (shim, round) => {
    const id = `${mainNamespace}-${++serial}`;
    const bundle = join(workDirectory("bundles"), id);
    mkdirSync(join(bundle, "rootfs"), { recursive: true });
    writeFileSync(join(bundle, "config.json"), JSON.stringify(baseConfig()));
    // What Create has left there when containerd calls `delete`.
    writeFileSync(join(bundle, "runtime"), "runc");
    writeFileSync(join(bundle, "options.json"), JSON.stringify({ root: "" }));
    const flags = ["-namespace", mainNamespace, "-address", address(), "-id", id];
    const program = [which(`containerd-shim-${shim}-v2`), ...flags];
    const publish = ["-publish-binary", join(containerdBin, "containerd")];
    const started = stopwatch(bundle, [...program, ...publish, "start"]);
    const path = readFileSync(join(bundle, "address"), "utf8").replace("unix://", "");
    const service = "containerd.task.v2.Task";
    const client = new ShimClient({ path, service }, mainNamespace);
    await client.call("Shutdown", [
      [1, id],
      [2, true],
    ]);
    await client.closed;
    const deleted = stopwatch(bundle, [...program, ...publish, "-bundle", bundle, "delete"]);
    if (round === 0) return;
    note("shim start", "ms", shim, started);
    note("shim delete", "ms", shim, deleted);
  });
}

/** Memory that is a process's own, in kB. */
function memoryOf(pid: number): { private: number; pss: number; rss: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1]);
  return { private: kb("Private_Dirty"), pss: kb("Pss"), rss: kb("Rss") };
}

function noteMemory(what: string, shim: Shim, pid: number, containers: number): void {
  const memory = memoryOf(pid);
  note(`private memory, ${what}`, "kB/container", shim, memory.private / containers);
  note(`PSS, ${what}`, "kB/container", shim, memory.pss / containers);
}

async function weigh(): Promise<void> {
  await alternate(3, async (shim) => {
    const id = await up(shim);
    await sleep(3000);
    noteMemory("1 container", shim, await shimOf(id), 1);
    await down(id);
  });
  await alternate(2, async (shim, round) => {
    const group = `${mainNamespace}-pod-${shim}-${round}`;
    const ids: string[] = [];
    for (let i = 0; i < 20; i++) ids.push(await up(shim, group));
    await sleep(3000);
    noteMemory("20 in a pod", shim, await shimOf(ids[0] ?? ""), 20);
    for (const id of ids) await down(id);
  });
}

/** Many execs without ctr and containerd in the way. */
async function growth(): Promise<void> {
  const count = Number(values.execs);
  if (count === 0) return;
  for (const shim of shims) {
    const id = await up(shim);
    const pid = await shimOf(id);
    const path = readFileSync(join(bundleOf(mainNamespace, id), "address"), "utf8");
    const service = "containerd.task.v2.Task";
    const client = new ShimClient({ path: path.replace("unix://", ""), service }, mainNamespace);
    const call = async (method: string, fields: Fields) => {
      const reply = await client.call(method, fields);
      if (reply?.code !== 0) throw new Error(`${method}: ${reply?.text}`);
    };
    const spec = message([
      [1, "types.containerd.io/opencontainers/runtime-spec/1/Process"],
      [2, JSON.stringify({ args: ["/bin/true"], cwd: "/", user: { uid: 0, gid: 0 } })],
    ]);
    let begun = performance.now();
    for (let i = 0; i < count; i++) {
      const ids: Fields = [
        [1, id],
        [2, `x${i}`],
      ];
      await call("Exec", [...ids, [7, spec]]);
      await call("Start", ids);
      await call("Wait", ids);
      await call("Delete", ids);
      if (i === 500) {
        note("RSS after 500 execs", "kB", shim, memoryOf(pid).rss);
        begun = performance.now();
      }
    }
    note("exec by ttrpc", "ms", shim, (performance.now() - begun) / (count - 500));
    note(`RSS after ${count} execs`, "kB", shim, memoryOf(pid).rss);
    client.vanish();
    await down(id);
  }
}

async function main(): Promise<void> {
  await startDaemon();
  try {
    (await ctr(["image", "import", buildImage()])).ok();
    const steps = { timeRuns, timeExecs, timeHelpers, weigh, growth };
    for (const [name, step] of Object.entries(steps)) {
      process.stderr.write(`bench: ${name}\n`);
      await step();
    }
    const results: Result[] = [...samples.values()].map(resultOf);
    process.stdout.write(`containerd ${containerdVersion()}\n${table(results)}\n`);
    if (values.out !== undefined)
      writeFileSync(values.out, `${JSON.stringify(results, undefined, 2)}\n`);
  } finally {
    for (const { id } of await tasks()) await down(id);
    await stopDaemon();
    removeHome();
    removeScratch();
  }
}

if (process.geteuid?.() !== 0) throw new Error("bench: containerd needs root");
await main();
