/**
 * Owns the suite's root hooks (mocha --require): podman's world for all cases; after each case its containers, pods and
 * volumes are removed, and a process, mount, cgroup or state directory that is left then fails the run.
 */
import { existsSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { listed, outdated } from "../../harness/differences.ts";
import { idPrefix, runToken, runtimeIdentity } from "../../harness/environment.ts";
import {
  allPids,
  cgroupMounts,
  cgroupsNamed,
  commandOf,
  isAlive,
  mountsUnder,
  processesOf,
  readOrEmpty,
} from "../../harness/processes.ts";
import { requires, skips } from "../../harness/requires.ts";
import { removeScratch } from "../../harness/scratch.ts";
import { closeTerminals } from "../../harness/terminal.ts";
import { sleep } from "../../harness/wait.ts";
import {
  cgroupParent,
  containerList,
  dropNetwork,
  eventLog,
  home,
  homeIfUsed,
  podman,
  prepare,
  removeHome,
  volumeDirectory,
} from "./engine.ts";
import { findPodman, subjectText } from "./subject.ts";

function entries(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Ids of all containers and pods so far. */
function knownIds(): Set<string> {
  return new Set(readOrEmpty(eventLog()).match(/\b[0-9a-f]{64}\b/g) ?? []);
}

/** Where `play kube` puts the cgroups of pods: it takes no --cgroup-parent. */
const sharedParent = "libpod_parent";
const sharedParentWasThere = cgroupMounts().some(({ path }) =>
  existsSync(join(path, sharedParent)),
);

/** Cgroups of containers and pods: `conmon` beside them is podman's own. */
function containerCgroups(ids: ReadonlySet<string>): string[] {
  const inShared = cgroupMounts().flatMap(({ path }) => {
    const names = entries(join(path, sharedParent));
    return names
      .filter((name) => ids.has(name.replace(/^libpod-(conmon-)?/, "")))
      .map((name) => join(path, sharedParent, name));
  });
  const own = cgroupsNamed(cgroupParent.slice(1)).flatMap((path) =>
    readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== "conmon")
      .map((entry) => join(path, entry.name)),
  );
  return [...inShared, ...own].filter((path) => !isLeftByPodman(path, ids));
}

/** Podman removes the cgroup of a pod in the hierarchies of controllers, not in those without. */
function isLeftByPodman(path: string, ids: ReadonlySet<string>): boolean {
  const bare = /^\/sys\/fs\/cgroup\/(systemd|unified)\//.test(path);
  if (!bare || !ids.has(basename(path))) return false;
  return !readdirSync(path, { withFileTypes: true }).some((entry) => entry.isDirectory());
}

/** Processes of the run: conmon's environment is podman's choice, but its arguments name the run's directory. */
function strayProcesses(): number[] {
  const ours = new Set(processesOf(runToken, idPrefix, `${home()}/`));
  for (const pid of allPids())
    if (pid !== process.pid && commandOf(pid).includes(`${home()}/`) && isAlive(pid)) ours.add(pid);
  return [...ours];
}

/** Mounts of containers; storage keeps one of its own, and the network namespace is the suite's. */
function containerMounts(): string[] {
  return mountsUnder(`${home()}/`).filter(
    (path) => !/\/(graph\/overlay|netns|private(\/mntns)?)$/.test(path),
  );
}

function stateDirectories(ids: ReadonlySet<string>): string[] {
  const root = `/run/${runtimeIdentity().name}`;
  return entries(root)
    .filter((name) => ids.has(name))
    .map((name) => join(root, name));
}

/** Everything on the host that belongs to a container of the run, one text each. */
function traces(): string[] {
  const ids = knownIds();
  return [
    ...strayProcesses().map((pid) => `process ${pid} ${commandOf(pid)}`),
    ...containerCgroups(ids).map((path) => `cgroup ${path}`),
    ...containerMounts().map((path) => `mount ${path}`),
    ...stateDirectories(ids).map((path) => `state ${path}`),
  ];
}

/** Waits until nothing is left, for a while; what is left all the same. */
export async function lasting(timeoutMs = 5000): Promise<string[]> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = traces();
    if (found.length === 0 || Date.now() > deadline) return found;
    await sleep(50);
  }
}

/** Removes all that cases have made with podman; its images stay. */
async function clean(): Promise<void> {
  if (!/^(\[\])?$/.test(readOrEmpty(containerList()).trim())) {
    (await podman(["pod", "rm", "--all", "--force", "--time", "0"])).ok();
    // It takes containers in any order, and refuses those on which others depend.
    const all = ["rm", "--all", "--force", "--time", "0"];
    if ((await podman(all)).status !== 0) (await podman(all)).ok();
  }
  if (entries(volumeDirectory()).length > 0)
    (await podman(["volume", "rm", "--all", "--force"])).ok();
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
  const ids = knownIds();
  for (const path of containerCgroups(ids)) attempt(() => rmdirSync(path));
  for (const path of stateDirectories(ids)) attempt(() => rmSync(path, { recursive: true }));
}

/** Podman's own cgroups stay after its last container. */
function dropCgroups(): void {
  const own = cgroupsNamed(cgroupParent.slice(1));
  const shared = cgroupMounts().map(({ path }) => join(path, sharedParent));
  const ids = knownIds();
  for (const path of [...own, ...shared]) {
    for (const name of entries(path).filter((entry) => ids.has(entry)))
      attempt(() => rmdirSync(join(path, name)));
    if (sharedParentWasThere && shared.includes(path)) continue;
    attempt(() => rmdirSync(join(path, "conmon")));
    attempt(() => rmdirSync(path));
  }
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
    if (findPodman() === undefined) {
      skips.push("everything: podman is not installed");
      this.skip();
    }
    process.stdout.write(`  ${subjectText()}\n`);
    await prepare();
  },

  async afterEach(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    if (homeIfUsed() === undefined) return;
    closeTerminals();
    await clean();
    const found = await lasting();
    if (found.length === 0) return;
    leaks.push(`${this.currentTest?.fullTitle() ?? "?"}: ${found.join("; ")}`);
    await sweep();
  },

  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    if (homeIfUsed() === undefined) return;
    await sweep();
    dropCgroups();
    dropNetwork();
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
