/**
 * Owns the suite's root hooks (mocha --require): one containerd for all cases; after each case its containers are removed,
 * and a shim, process, mount, cgroup, socket, bundle, state directory or fifo that is left then fails the run.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, rmdirSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { runToken } from "../../harness/environment.ts";
import {
  cgroupMounts,
  cgroupsNamed,
  commandOf,
  mountsUnder,
  processesOf,
} from "../../harness/processes.ts";
import { requires, skips } from "../../harness/requires.ts";
import { removeScratch } from "../../harness/scratch.ts";
import { closeTerminals } from "../../harness/terminal.ts";
import { sleep } from "../../harness/wait.ts";
import { ctr, mainNamespace, namespaces, socketNames, tasks } from "./ctr.ts";
import {
  address,
  daemonLog,
  daemonPid,
  daemonRuns,
  fifoDirectory,
  home,
  homeIfUsed,
  removeHome,
  startDaemon,
  stopDaemon,
} from "./daemon.ts";
import { closeReaders } from "./fifos.ts";
import { buildImage, imageName } from "./image.ts";
import { containerdVersion, listed, outdated, runtimeType, shimName } from "./subject.ts";

/** Where all versions of containerd tell shims to listen. */
const socketDirectory = "/run/containerd/s";
/** Where shims without another root keep the state of containers. */
const stateDirectory = "/run/containerd/runc";

function entries(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/**
 * The sockets of our shims, one text each. Other users of the host may have theirs in the same directory. The runc shim leaves
 * its own when it is killed and at times when it is not, which a case lists.
 */
export function shimSockets(): string[] {
  const names = new Set(entries(socketDirectory));
  if (names.size === 0) return [];
  return namespaces
    .flatMap((namespace) => socketNames.map((name) => join(address(), namespace, name)))
    .flatMap((path) => [path, `${path}/debug`])
    .map((path) => createHash("sha256").update(path).digest("hex"))
    .filter((name) => names.has(name))
    .map((name) => `socket ${join(socketDirectory, name)}`);
}

/** Host processes of the run other than containerd. */
export function strayProcesses(): number[] {
  const all = processesOf(runToken, mainNamespace, home());
  return all.filter((pid) => pid !== daemonPid());
}

/** Cgroups of containers: those below the namespace's own, which a runtime may leave. */
function containerCgroups(): string[] {
  return cgroupsNamed(mainNamespace).flatMap((path) =>
    readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(path, entry.name)),
  );
}

/** Everything on the host that belongs to a container of the run, one text each. */
export function traces(): string[] {
  const found = strayProcesses().map((pid) => `process ${pid} ${commandOf(pid)}`);
  for (const path of containerCgroups()) found.push(`cgroup ${path}`);
  for (const path of mountsUnder(`${home()}/`)) found.push(`mount ${path}`);
  if (shimName !== "runc") found.push(...shimSockets());
  for (const path of readdirSync(fifoDirectory())) found.push(`fifo ${path}`);
  for (const namespace of namespaces) {
    for (const name of entries(join(stateDirectory, namespace))) {
      // runc's own lock file and directories of its version
      if (!name.startsWith(".")) found.push(`state ${join(stateDirectory, namespace, name)}`);
    }
    for (const area of ["state", "root"]) {
      const bundles = join(home(), area, "io.containerd.runtime.v2.task", namespace);
      for (const name of entries(bundles)) found.push(`bundle ${join(bundles, name)}`);
    }
  }
  return found;
}

/** Waits until nothing is left, for a while; what is left all the same. */
export async function lasting(
  timeoutMs = 5000,
  counts: (trace: string) => boolean = () => true,
): Promise<string[]> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = traces().filter(counts);
    if (found.length === 0 || Date.now() > deadline) return found;
    await sleep(20);
  }
}

async function removeContainers(): Promise<void> {
  for (const namespace of namespaces) {
    for (const { id } of await tasks(namespace))
      await ctr(["task", "delete", "--force", id], { namespace });
    const { stdout } = await ctr(["container", "ls", "--quiet"], { namespace });
    const ids = stdout.split("\n").filter(Boolean);
    if (ids.length > 0) await ctr(["container", "delete", ...ids], { namespace });
    // `ctr run --detach` leaves the directories of its fifos to nobody.
  }
  for (const name of readdirSync(fifoDirectory()))
    rmSync(join(fifoDirectory(), name), { recursive: true, force: true });
}

/** Kills and removes by force, so that one leak is reported once. */
async function sweep(): Promise<void> {
  for (const pid of strayProcesses()) attempt(() => process.kill(pid, "SIGKILL"));
  await sleep(200);
  for (const path of containerCgroups()) attempt(() => rmdirSync(path));
  removeSockets();
}

function removeSockets(): void {
  for (const trace of shimSockets()) attempt(() => unlinkSync(trace.replace("socket ", "")));
}

function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // it has gone meanwhile, or stays and is reported again
  }
}

const leaks: string[] = [];

function print(title: string, lines: readonly string[]): void {
  if (lines.length > 0)
    process.stdout.write(
      `\n  ${title} (${lines.length}):\n${lines.map((line) => `    - ${line}`).join("\n")}\n`,
    );
}

/** The parents that runtimes leave: they carry the run's name. */
function removeParents(): void {
  for (const path of cgroupsNamed(mainNamespace)) attempt(() => rmdirSync(path));
  for (const { path } of cgroupMounts()) {
    for (const namespace of namespaces) attempt(() => rmdirSync(join(path, namespace)));
  }
  for (const namespace of namespaces)
    rmSync(join(stateDirectory, namespace), { recursive: true, force: true });
}

export const mochaHooks = {
  async beforeAll(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    requires({ root: true, program: "tar" }).call(this);
    process.stdout.write(`  ${runtimeType} with containerd ${containerdVersion()}\n`);
    const archive = buildImage();
    await startDaemon();
    for (const namespace of namespaces) {
      (await ctr(["image", "import", archive], { namespace })).ok();
      (await ctr(["image", "ls", `name==${imageName}`], { namespace })).ok();
    }
  },

  async afterEach(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    closeTerminals();
    closeReaders();
    if (!daemonRuns()) await startDaemon();
    await removeContainers();
    if (shimName === "runc") removeSockets();
    const found = await lasting();
    if (found.length === 0) return;
    leaks.push(`${this.currentTest?.fullTitle() ?? "?"}: ${found.join("; ")}`);
    await sweep();
  },

  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    if (homeIfUsed() === undefined) return;
    await stopDaemon();
    const found = await lasting();
    if (found.length > 0) leaks.push(`after everything: ${found.join("; ")}`);
    await sweep();
    removeParents();
    if (process.env["CONTAINERD_LOG_LEVEL"]) process.stdout.write(daemonLog());
    removeHome();
    removeScratch();
    print("skipped", skips);
    print("known differences", listed);
    print("known differences that no longer hold", outdated);
    print("left behind", leaks);
    if (leaks.length > 0) throw new Error(`${leaks.length} cases left something behind`);
    if (outdated.length > 0 && process.env["CONFORMANCE_STRICT"])
      throw new Error("known differences are out of date");
  },
};
