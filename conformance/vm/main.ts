/**
 * Runs the conformance cases in guests with cgroup v2 and systemd, as root, as an ordinary user, and as root of a user
 * namespace; prints their output and the sums, which also go to $TEST_COUNTS. Exits 1 when a case failed. When there can
 * be no guest here, that is one skip with the reason.
 *
 * node build/conformance/vm/main.js [--runtime PATH-IN-GUEST] [--job NAME] [--all] [-- MOCHA-ARGUMENT...]
 * Arguments for mocha take the place of the job's own choice of cases.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const top = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
const scripts = join(top, "conformance", "vm");

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  failures: string[];
}

interface Job {
  readonly name: string;
  readonly kind: "uml" | "qemu";
  readonly mode: "root" | "rootless" | "userns";
  /** Only cases whose titles match. */
  readonly only?: readonly string[];
  /** All but cases whose titles match. */
  readonly without?: readonly string[];
}

/** Long cases that have nothing to do with what a guest is for; `--all` runs them, too. */
const long = [
  "^a runtime killed in the middle",
  "^in parallel",
  "exchanged for a link out, and back",
  "finds no descriptor of the runtime that leads out",
  "CVE-2024-21626",
];

/** What the cases do on the host themselves (mounts, nodes, namespaces of others), and a user may not. */
const needHostRoot = [
  "^a created container's init",
  "^the runtime's program file",
  "^a runtime in a chroot",
  "^joined ",
  "^linux.netDevices",
  "^options of a bind mount",
  "^recursive options",
  "^mount propagation",
  "rbind shows submounts",
  "the host's own is looked at, too",
  "nodev: a device node does not open",
  "net.* with the host's own",
  "is set in a uts namespace that is joined",
  "/proc/sys cannot be written",
  "devpts is an instance of its own",
  // a hidden init can be looked at by root only
  "works in a created container, before the program",
  "^a seccomp profile that forbids calls of the runtime hands over a listener",
];

/** What one processor or another kernel upsets: a signal before the runtime listens, and counts of the v1 host. */
const notInUml = ["forwards signals", "^system calls"];

/** The host's namespaces and ids, which belong to somebody else than the user. */
const needOwnNamespaces = [
  "shares the host's PID namespace",
  "when a signal ends the program",
  "pid: ",
  "ipc: the host's is shared",
  "network: the host's",
  "are made for each type that is listed",
];

/** Priorities above the usual ones need rights outside of any user namespace. */
const needPriority = ["SCHED_BATCH", "SCHED_DEADLINE", "IOPRIO_CLASS_RT"];

/** Rights that only the machine's root has, and files that the user makes as itself. */
const needRights = [
  "^propagation of a bind mount",
  "^linux.rootfsPropagation",
  "^seccomp notify",
  "tmpcopyup keeps extended attributes",
  "^spec its config runs",
  "kernel.domainname belongs",
  "CVE-2025-52881",
  "^time namespace",
  "^process.user ",
  "is made, with its parents and mode 0755",
  "^process.oomScoreAdj may be lowered",
];

/** What User-Mode Linux has not: cpuset, 32-bit programs, pressure, a boot time; and the kernel that our users have. */
const kernelDependent = [
  "^an AppArmor profile",
  "^device access",
  "^linux.personality",
  "^linux.resources cpu",
  "^seccomp architectures",
  "^what the kernel tells of a v2 cgroup",
  "^a container that manages its cgroup",
  "cpu.cpus",
  "--cpuset-cpus",
  "SCHED_FIFO",
  "host's ps table",
];

const jobs: readonly Job[] = [
  { name: "root", kind: "uml", mode: "root", without: [...long, ...notInUml] },
  { name: "root, Debian's kernel", kind: "qemu", mode: "root", only: kernelDependent },
  {
    name: "an ordinary user",
    kind: "uml",
    mode: "rootless",
    without: [
      ...long,
      ...notInUml,
      ...needHostRoot,
      ...needOwnNamespaces,
      ...needPriority,
      ...needRights,
    ],
  },
  {
    name: "root of a user namespace",
    kind: "uml",
    mode: "userns",
    without: [
      ...long,
      ...notInUml,
      ...needHostRoot,
      ...needOwnNamespaces,
      ...needPriority,
      ...needRights,
    ],
  },
];

/** mocha's arguments for a job's part of the cases. */
function selection({ only, without }: Job): string[] {
  if (only !== undefined) return ["--grep", only.join("|")];
  return (without ?? []).length === 0 ? [] : ["--grep", (without ?? []).join("|"), "--invert"];
}

const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

function everything(job: Job): Job {
  return { ...job, without: (job.without ?? []).filter((title) => !long.includes(title)) };
}

/** Runs one job in a guest of its own. Without counts the guest itself has failed. */
function run(job: Job, runtime: string, rest: readonly string[]): Promise<Counts> {
  const directory = mkdtempSync(join(top, "build", "vm", "counts."));
  const counts = join(directory, "counts.json");
  const words = rest.length > 0 ? rest : selection(job);
  const command =
    `TEST_COUNTS=/host/${relative(top, counts)} CONFORMANCE_STRICT=${quote("cgroup v2")} sh /opt/tsrunc/conformance/vm/cases.sh ` +
    [job.mode, runtime, ...words].map(quote).join(" ");
  const started = Date.now();
  const child = spawn(join(scripts, "run.sh"), [job.kind, command], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { VM_TIMEOUT: "1100", ...process.env },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      output += chunk;
    });
  return new Promise((resolve) => {
    child.on("close", (status) => {
      const seconds = Math.round((Date.now() - started) / 1000);
      console.log(`\n=== guest: ${job.name} (${job.kind}, ${seconds} s)\n${output}`);
      const result = readCounts(counts);
      rmSync(directory, { recursive: true });
      if (status !== 0 && result.failed === 0) {
        result.failed = 1;
        result.failures.push(`guest ended with status ${status}: ${output.slice(-300)}`);
      }
      result.failures = result.failures.map((text) => `[guest, ${job.name}] ${text}`);
      resolve(result);
    });
  });
}

function readCounts(file: string): Counts {
  try {
    const { passed, failed, skipped, failures = [] } = JSON.parse(readFileSync(file, "utf8"));
    return { passed, failed, skipped, failures };
  } catch {
    return { passed: 0, failed: 0, skipped: 0, failures: [] };
  }
}

/** Builds the guest; the reason when that is impossible here. */
function whyNoGuest(): string | undefined {
  const built = spawnSync(join(scripts, "build.sh"), { encoding: "utf8" });
  if (built.status === 0) return undefined;
  return built.stderr.trim().split("\n").slice(-3).join("; ") || "the guest could not be built";
}

function report(total: Counts): void {
  const { passed, failed, skipped } = total;
  console.log(`guests: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  for (const text of total.failures) console.log(`FAILED: ${text}`);
  const file = process.env["TEST_COUNTS"];
  if (file !== undefined) writeFileSync(file, JSON.stringify(total));
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { runtime: { type: "string" }, job: { type: "string" }, all: { type: "boolean" } },
    allowPositionals: true,
  });
  const total: Counts = { passed: 0, failed: 0, skipped: 0, failures: [] };
  const lack = whyNoGuest();
  if (lack !== undefined) {
    console.log(`skipped: ${lack}`);
    report({ ...total, skipped: 1 });
    return 0;
  }
  mkdirSync(join(top, "build", "vm"), { recursive: true });
  const runtime = values.runtime ?? "/opt/tsrunc/dist/bin/tsrunc";
  const wanted = jobs
    .filter(({ name }) => values.job === undefined || name === values.job)
    .map((job) => (values.all === true ? everything(job) : job));
  // Two at a time: User-Mode Linux has one processor.
  const queue = [...wanted];
  const work = async (): Promise<void> => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const counts = await run(job, runtime, positionals);
      for (const key of ["passed", "failed", "skipped"] as const) total[key] += counts[key];
      total.failures.push(...counts.failures);
    }
  };
  await Promise.all([work(), work()]);
  report(total);
  return total.failed === 0 ? 0 : 1;
}

process.exitCode = await main();
