/**
 * Owns the suite's root hooks (mocha --require): after each test its containers are removed, and whatever a container left
 * behind all the same (cgroup, mount, process, state directory) fails the run.
 */
import { existsSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { destroyAll } from "./container.ts";
import { listed, outdated } from "./differences.ts";
import { idPrefix, runToken, runtimeIdentity, runtimePath } from "./environment.ts";
import { cgroupsNamed, commandOf, mountsUnder, processesOf } from "./processes.ts";
import { skips } from "./requires.ts";
import { removeScratch, scratchIfUsed, stateRoot } from "./scratch.ts";
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

/** Kills, unmounts and removes, so that one leak is reported once. */
function sweep(): void {
  const base = scratchIfUsed() ?? "/nonexistent";
  for (const pid of processesOf(runToken, idPrefix, base)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // gone meanwhile
    }
  }
  for (const path of cgroupsNamed(idPrefix)) {
    try {
      rmdirSync(path);
    } catch {
      // reported already; a busy one shows again after the next test
    }
  }
  rmSync(stateRoot(), { recursive: true, force: true });
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
    destroyAll();
    const found = await findLeaks();
    if (found.length === 0) return;
    const title = this.currentTest?.fullTitle() ?? "?";
    for (const leak of found) leaks.push(`${title}: ${leak}`);
    sweep();
  },

  afterAll(): void {
    print("skipped", skips);
    print("known differences", listed);
    print("known differences that no longer hold", outdated);
    removeScratch();
    print("left behind", leaks);
    if (leaks.length > 0) throw new Error(`${leaks.length} things were left behind`);
    if (outdated.length > 0 && process.env["CONFORMANCE_STRICT"])
      throw new Error("known differences are out of date");
  },
};
