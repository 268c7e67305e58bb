/**
 * Owns the suite's root hooks (mocha --require): after each test its containers are removed, and whatever a container left
 * behind all the same (cgroup, mount, process, state directory) fails the run.
 */
import { existsSync, readdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { destroyAll } from "./container.ts";
import { listed, outdated } from "./differences.ts";
import { idPrefix, runToken, runtimeIdentity, runtimePath } from "./environment.ts";
import { cgroupsNamed, commandOf, mountsUnder, processesOf } from "./processes.ts";
import { skips } from "./requires.ts";
import { removeScratch, scratchIfUsed, stateRoot } from "./scratch.ts";
import { closeTerminals } from "./terminal.ts";
import { sleep } from "./wait.ts";

/**
 * Everything on the host that belongs to the container with this id, or to any container of the run; one text each.
 * Empty is what `delete` promises.
 */
export function traces(id: string = idPrefix): string[] {
  const found: string[] = [];
  // "cfm1-1" must not match "cfm1-12".
  const exact = new RegExp(`${id}(?!\\d)`);
  for (const path of cgroupsNamed(id))
    if (id === idPrefix || exact.test(path)) found.push(`cgroup ${path}`);
  const root = stateRoot();
  for (const name of existsSync(root) ? readdirSync(root) : []) {
    if (name === id || (id === idPrefix && name.startsWith(id)))
      found.push(`state directory ${root}/${name}`);
  }
  if (id === idPrefix) {
    const base = scratchIfUsed() ?? "/nonexistent";
    for (const path of mountsUnder(base)) found.push(`mount ${path}`);
    for (const pid of processesOf(runToken, idPrefix, base))
      found.push(`process ${pid} ${commandOf(pid)}`);
  }
  return found;
}

const leaks: string[] = [];

/** One line for a list of traces: the same cgroup in ten hierarchies is one leak. */
function summary(found: readonly string[]): string {
  const names = found.map((trace) => trace.replace(/^cgroup .*\//, "cgroup "));
  return [...new Set(names)].join("; ");
}

/** Kills and removes what was found, so that one leak is reported once. */
async function sweep(): Promise<void> {
  const base = scratchIfUsed() ?? "/nonexistent";
  for (let attempt = 0; attempt < 50 && traces().length > 0; attempt++) {
    for (const pid of processesOf(runToken, idPrefix, base))
      ignoring(() => process.kill(pid, "SIGKILL"));
    for (const path of cgroupsNamed(idPrefix)) {
      // A process that is frozen does not die.
      ignoring(() => writeFileSync(join(path, "freezer.state"), "THAWED"));
      ignoring(() => rmdirSync(path));
    }
    ignoring(() => rmSync(stateRoot(), { recursive: true, force: true }));
    await sleep(20);
  }
}

/** Runs a step that may fail because its object has gone meanwhile, or is still busy and gets another try. */
function ignoring(step: () => void): void {
  try {
    step();
  } catch {
    // the next round looks again
  }
}

async function findLeaks(): Promise<string[]> {
  // Cgroups of killed processes stay busy for a moment, and a detached runtime may still be on its way out.
  for (let attempt = 0; ; attempt++) {
    const found = traces();
    if (found.length === 0 || attempt === 100) return found;
    await sleep(20);
  }
}

function print(title: string, lines: readonly string[]): void {
  if (lines.length > 0)
    process.stdout.write(
      `\n  ${title} (${lines.length}):\n${lines.map((line) => `    - ${line}`).join("\n")}\n`,
    );
}

export const mochaHooks = {
  beforeAll(): void {
    const { name, version } = runtimeIdentity();
    process.stdout.write(`  runtime: ${name} ${version} (${runtimePath})\n`);
  },

  async afterEach(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    if (scratchIfUsed() === undefined) return;
    closeTerminals();
    destroyAll();
    const found = await findLeaks();
    if (found.length === 0) return;
    const title = this.currentTest?.fullTitle() ?? "?";
    // A listed difference may consist in leaving something behind.
    const isListed = listed.some((line) => line.startsWith(`${title}: `));
    if (!isListed) leaks.push(`${title}: ${summary(found)}`);
    await sweep();
  },

  afterAll(): void {
    print("skipped", skips);
    print("known differences", listed);
    print("known differences that no longer hold", outdated);
    removeScratch();
    print("left behind", leaks);
    if (leaks.length > 0) throw new Error(`${leaks.length} cases left something behind`);
    if (outdated.length > 0 && process.env["CONFORMANCE_STRICT"])
      throw new Error("known differences are out of date");
  },
};
