/**
 * Owns the suite's root hooks (mocha --require): one dockerd for all cases; after each case its containers, networks and
 * volumes are removed, and a process, mount, cgroup, network interface, socket or state directory that is left then fails the run.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { listed, outdated } from "../../harness/differences.ts";
import { runToken } from "../../harness/environment.ts";
import { cgroupsNamed, commandOf, mountsUnder, processesOf } from "../../harness/processes.ts";
import { requires, skips } from "../../harness/requires.ts";
import { removeScratch } from "../../harness/scratch.ts";
import { closeTerminals } from "../../harness/terminal.ts";
import { sleep } from "../../harness/wait.ts";
import { useDaemon } from "./container.ts";
import { cgroupPrefix, Daemon, daemons, home, homeIfUsed, removeHome } from "./daemon.ts";
import { importImage } from "./image.ts";
import { findProgram, subjectText } from "./subject.ts";

function entries(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** What shims and runtimes keep for a container in places that other daemons of the host use, too. */
const outside = new Set<string>();

/** Where containerd has a shim listen: the same rule in all its versions. */
function socketOf(daemon: Daemon, id: string): string {
  const address = join(daemon.execRoot, "containerd", "containerd.sock");
  const hash = createHash("sha256")
    .update(join(address, "moby", id))
    .digest("hex");
  return join("/run/containerd/s", hash);
}

/** Notes the containers that running daemons have made lately: they remember 256 events. */
async function noteContainers(): Promise<void> {
  for (const daemon of daemons.filter(({ runs }) => runs)) {
    const range = ["--since", "0", "--until", new Date().toISOString()];
    const flags = ["--filter", "type=container", "--filter", "event=create"];
    const args = ["events", ...range, ...flags, "--format", "{{.ID}}"];
    for (const id of (await daemon.docker(args)).ok().lines)
      outside.add(socketOf(daemon, id)).add(join("/run/containerd/runc/moby", id));
  }
}

/** Processes of the run that are no daemon's own. */
function strayProcesses(): number[] {
  const own = new Set<number>();
  for (const daemon of daemons.filter(({ runs }) => runs))
    own.add(daemon.pid).add(daemon.containerdPid() ?? -1);
  return processesOf(runToken, cgroupPrefix, home()).filter((pid) => !own.has(pid));
}

/** Cgroups of containers: those below a daemon's parent, which a runtime may leave; BuildKit leaves its own parent, too. */
function containerCgroups(): string[] {
  return cgroupsNamed(cgroupPrefix).flatMap((path) =>
    readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== "buildkit")
      .map((entry) => join(path, entry.name)),
  );
}

/** Mounts of containers. What the daemons keep mounted for themselves does not count while they run. */
function containerMounts(): string[] {
  const own = /\/(netns|exec\/netns(\/.*)?)$/;
  return mountsUnder(`${home()}/`).filter((path) => !own.test(path));
}

function stateDirectories(): string[] {
  return daemons.flatMap((daemon) =>
    [
      join(daemon.stateRoot, "moby"),
      join(daemon.execRoot, "containerd", "daemon", "io.containerd.runtime.v2.task", "moby"),
    ].flatMap((path) =>
      // names with a dot are a runtime's own: caches and locks
      entries(path)
        .filter((name) => !name.startsWith("."))
        .map((name) => join(path, name)),
    ),
  );
}

async function interfaces(): Promise<string[]> {
  const found: string[] = [];
  for (const daemon of daemons.filter(({ runs }) => runs)) {
    const show = ["ip", "-o", "link", "show", "type", "veth"];
    const lines = (await daemon.inNetwork(show))
      .ok()
      .lines.filter((line) => !line.includes("e2e-"));
    if (lines.length > daemon.ownLinks)
      for (const line of lines) found.push(line.split("@")[0] ?? line);
  }
  return found;
}

/** Everything on the host that belongs to a container of the run, one text each. */
export async function traces(): Promise<string[]> {
  const found = strayProcesses().map((pid) => `process ${pid} ${commandOf(pid)}`);
  for (const path of containerCgroups()) found.push(`cgroup ${path}`);
  for (const path of containerMounts()) found.push(`mount ${path}`);
  for (const path of outside) if (existsSync(path)) found.push(`file ${path}`);
  for (const path of stateDirectories()) found.push(`state ${path}`);
  for (const name of await interfaces()) found.push(`interface ${name}`);
  return found;
}

/** Waits until nothing is left, for a while; what is left all the same. */
export async function lasting(timeoutMs = 5000): Promise<string[]> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await traces();
    if (found.length === 0 || Date.now() > deadline) return found;
    await sleep(50);
  }
}

/** Removes all that cases have made with a daemon; its images stay. */
async function clean(daemon: Daemon): Promise<void> {
  const ids = async (args: readonly string[]) => (await daemon.docker(args)).ok().lines;
  const containers = await ids(["ps", "--all", "--quiet"]);
  if (containers.length > 0) (await daemon.docker(["rm", "--force", ...containers])).ok();
  const networks = await ids(["network", "ls", "--quiet", "--filter", "type=custom"]);
  if (networks.length > 0) await daemon.docker(["network", "rm", ...networks]);
  const volumes = await ids(["volume", "ls", "--quiet"]);
  if (volumes.length > 0) await daemon.docker(["volume", "rm", "--force", ...volumes]);
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
  for (const pid of strayProcesses()) attempt(() => process.kill(pid, "SIGKILL"));
  await sleep(200);
  for (const path of containerCgroups()) attempt(() => rmdirSync(path));
  for (const path of outside) attempt(() => rmSync(path, { recursive: true, force: true }));
}

const leaks: string[] = [];

function print(title: string, lines: readonly string[]): void {
  if (lines.length > 0)
    process.stdout.write(
      `\n  ${title} (${lines.length}):\n${lines.map((line) => `    - ${line}`).join("\n")}\n`,
    );
}

export const mochaHooks = {
  async beforeAll(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    requires({ root: true, program: "nsenter" }).call(this);
    if (findProgram("dockerd") === undefined || findProgram("docker") === undefined) {
      skips.push("everything: Docker is not installed");
      this.skip();
    }
    process.stdout.write(`  ${subjectText()}\n`);
    const daemon = new Daemon("main");
    await daemon.start();
    await importImage(daemon);
    useDaemon(daemon);
  },

  async afterEach(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    closeTerminals();
    if (this.currentTest?.state === "failed" && process.env["CONFORMANCE_VERBOSE"])
      for (const daemon of daemons) process.stdout.write(`${daemon.log.slice(-3000)}\n`);
    await noteContainers();
    for (const daemon of daemons.filter(({ runs }) => runs)) await clean(daemon);
    const found = await lasting();
    if (found.length === 0) return;
    leaks.push(`${this.currentTest?.fullTitle() ?? "?"}: ${found.join("; ")}`);
    await sweep();
  },

  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    if (homeIfUsed() === undefined) return;
    for (const daemon of daemons) await daemon.stop();
    const found = await lasting();
    if (found.length > 0) leaks.push(`after everything: ${found.join("; ")}`);
    await sweep();
    for (const daemon of daemons) attempt(() => daemon.dropNetwork());
    for (const path of cgroupsNamed(cgroupPrefix)) {
      attempt(() => rmdirSync(join(path, "buildkit")));
      attempt(() => rmdirSync(path));
    }
    removeHome();
    removeScratch();
    print("skipped", skips);
    print("known differences", listed);
    print("known differences that no longer hold", outdated);
    print("left behind", leaks);
    if (leaks.length > 0) throw new Error(`${leaks.length} cases left something behind`);
    if (outdated.length > 0 && process.env["CONFORMANCE_STRICT"])
      throw new Error("some known differences no longer hold");
  },
};
