/**
 * Owns the suite's root hooks (mocha --require): one node for all cases; after each case its pods are removed, and a shim,
 * process, mount, cgroup, bundle, state directory, interface or address that is left then fails the run.
 */
import { existsSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { idPrefix, runToken } from "../../harness/environment.ts";
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
import { ctr } from "../containerd/ctr.ts";
import {
  daemonLog,
  daemonPid,
  daemonRuns,
  home,
  homeIfUsed,
  removeHome,
  stopDaemon,
} from "../containerd/daemon.ts";
import { buildImage } from "../containerd/image.ts";
import { containerdVersion, listed, outdated, runtimeType } from "../containerd/subject.ts";
import { crictl, startNode } from "./crictl.ts";
import { criNamespace, images, makeNode, networkPlugins, podInterfaces } from "./node.ts";
import { criTool, Unavailable } from "./tools.ts";

/** Where shims without another root keep the state of containers; other nodes of the host use it, too. */
const stateDirectory = join("/run/containerd/runc", criNamespace);
let statesBefore = new Set<string>();

function entries(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Ids of all containers that containerd knows or has left traces of. */
const seen = new Set<string>();

/** Host processes of the run other than containerd. */
function strayProcesses(): number[] {
  return processesOf(runToken, idPrefix, home()).filter((pid) => pid !== daemonPid());
}

/** Cgroups of containers: those below the pods' own, which Kubernetes would make and remove itself. */
function containerCgroups(): string[] {
  return cgroupsNamed(idPrefix)
    .flatMap((path) => entries(path).map((name) => join(path, name)))
    .filter((path) => /\/pod[^/]+$/.test(path))
    .flatMap((path) =>
      readdirSync(path, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => join(path, entry.name)),
    );
}

/** containerd's directories for tasks. */
function bundles(): string[] {
  return ["state", "root"].flatMap((area) => {
    const directory = join(home(), area, "io.containerd.runtime.v2.task", criNamespace);
    return entries(directory).map((name) => join(directory, name));
  });
}

/** Everything on the host that belongs to a pod of the run, one text each. */
export function traces(): string[] {
  const found = strayProcesses().map((pid) => `process ${pid} ${commandOf(pid)}`);
  for (const path of containerCgroups()) found.push(`cgroup ${path}`);
  for (const path of mountsUnder(`${home()}/`))
    if (!path.endsWith("/netns")) found.push(`mount ${path}`);
  for (const name of entries(stateDirectory))
    if (!statesBefore.has(name) && seen.has(name)) found.push(`state ${name}`);
  for (const path of bundles()) found.push(`bundle ${path}`);
  for (const area of ["state", "root"]) {
    for (const plugin of ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"]) {
      for (const kind of ["sandboxes", "containers"]) {
        const directory = join(home(), area, plugin, kind);
        for (const name of entries(directory)) found.push(`directory ${join(directory, name)}`);
      }
    }
  }
  for (const name of podInterfaces()) found.push(`interface ${name}`);
  for (const name of entries(join(home(), "addresses", "e2e")))
    if (/^[\d.]+$/.test(name)) found.push(`address ${name}`);
  return found;
}

/** Waits until nothing is left, for a while; what is left all the same. */
export async function lasting(timeoutMs = 5000): Promise<string[]> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = traces();
    if (found.length === 0 || Date.now() > deadline) return found;
    await sleep(20);
  }
}

async function noteContainers(): Promise<void> {
  const { stdout } = await ctr(["container", "ls", "--quiet"], { namespace: criNamespace });
  for (const id of stdout.split("\n").filter(Boolean)) seen.add(id);
}

async function removePods(): Promise<void> {
  await noteContainers();
  const { lines } = await crictl(["pods", "--quiet"]);
  if (lines.length > 0) await crictl(["rmp", "--force", ...lines]);
}

function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // it has gone meanwhile, or stays and is reported again
  }
}

/** Kills and removes by force, so that one leak is reported once. */
async function sweep(): Promise<void> {
  // Containers of others look like ours while they start: they still see all mounts of the host.
  const first = new Set(strayProcesses());
  await sleep(300);
  for (const pid of strayProcesses())
    if (first.has(pid)) attempt(() => process.kill(pid, "SIGKILL"));
  await sleep(200);
  for (const path of containerCgroups()) attempt(() => rmdirSync(path));
  for (const path of bundles()) rmSync(path, { recursive: true, force: true });
  for (const name of seen) rmSync(join(stateDirectory, name), { recursive: true, force: true });
}

const leaks: string[] = [];

function print(title: string, lines: readonly string[]): void {
  if (lines.length > 0)
    process.stdout.write(
      `\n  ${title} (${lines.length}):\n${lines.map((line) => `    - ${line}`).join("\n")}\n`,
    );
}

/** The parents that the cases' pods had. */
function removeParents(): void {
  for (const path of cgroupsNamed(idPrefix)) {
    for (const name of entries(path)) attempt(() => rmdirSync(join(path, name)));
    attempt(() => rmdirSync(path));
  }
  for (const { path } of cgroupMounts()) attempt(() => rmdirSync(join(path, idPrefix)));
}

/** Skips the whole suite with a reason. */
function lack(context: Mocha.Context, reason: string): never {
  if (process.env["CONFORMANCE_STRICT"]?.split(",").includes("cri")) throw new Error(reason);
  process.stdout.write(`  skipped: ${reason}\n`);
  skips.push(reason);
  context.skip();
}

async function importImages(): Promise<void> {
  const environment = ["PATH=/bin:/usr/bin"];
  const archive = buildImage([
    { name: images.busybox, config: { Env: environment, Cmd: ["sh"], WorkingDir: "/" } },
    { name: images.pause, config: { Env: environment, Entrypoint: ["/probe", "sleep"] } },
  ]);
  (await ctr(["image", "import", archive], { namespace: criNamespace })).ok();
}

export const mochaHooks = {
  async beforeAll(this: Mocha.Context): Promise<void> {
    this.timeout(20 * 60_000);
    requires({ root: true, program: "tar" }).call(this);
    if (networkPlugins() === undefined)
      lack(this, "no network plugins (Debian: containernetworking-plugins)");
    try {
      criTool("crictl");
    } catch (error) {
      if (error instanceof Unavailable) lack(this, error.message);
      throw error;
    }
    process.stdout.write(`  ${runtimeType} with containerd ${containerdVersion()}\n`);
    statesBefore = new Set(entries(stateDirectory));
    home();
    makeNode();
    await startNode();
    await importImages();
  },

  async afterEach(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    closeTerminals();
    if (!daemonRuns()) await startNode();
    await removePods();
    const found = await lasting();
    if (found.length === 0) return;
    const title = this.currentTest?.fullTitle() ?? "?";
    // A listed difference may consist in leaving something behind.
    if (!listed.some((line) => line.startsWith(`${title}: `)))
      leaks.push(`${title}: ${found.join("; ")}`);
    await sweep();
  },

  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    if (homeIfUsed() !== undefined) {
      await stopDaemon();
      const found = await lasting();
      if (found.length > 0) leaks.push(`after everything: ${found.join("; ")}`);
      await sweep();
      removeParents();
      if (process.env["CONTAINERD_LOG_LEVEL"]) process.stdout.write(daemonLog());
      removeHome();
      removeScratch();
    }
    print("skipped", skips);
    print("known differences", listed);
    print("known differences that no longer hold", outdated);
    print("left behind", leaks);
    if (leaks.length > 0) throw new Error(`${leaks.length} cases left something behind`);
    if (outdated.length > 0 && process.env["CONFORMANCE_STRICT"])
      throw new Error("known differences are out of date");
  },
};
