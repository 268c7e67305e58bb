import { writeFileSync } from "node:fs";
import { expect } from "chai";
import { sampleState } from "./sample-state.ts";
import { openContainer, requireAlive } from "./status.ts";
import { claimDir, gateName, type StateFile, saveState } from "./store.ts";
import { type TestRuntime, testRuntime } from "./test-runtime.ts";

const nobody = { pid: 2 ** 22 + 1, startTime: "1" };
/** v2: one file decides; a plain directory will do. */
const frozen = (dir: string) => ({ mode: "v2" as const, paths: { "": dir } });

describe("status", () => {
  let rt: TestRuntime;
  beforeEach(() => {
    rt = testRuntime();
    claimDir(rt.root, "c1");
  });
  afterEach(() => {
    writeFileSync("/proc/self/comm", "node");
    rt.remove();
  });

  function statusOf(more: Partial<StateFile>, files: Record<string, string> = {}): string {
    saveState(rt.root, sampleState(more));
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(`${rt.root}/c1/${name}`, text);
    }
    return openContainer(rt, "c1").status;
  }

  it("is creating while its creator lives, and stopped when that was killed", () => {
    expect(statusOf({ phase: "creating", pid: 0 })).to.equal("creating");
    expect(statusOf({ phase: "creating", pid: 0, creator: nobody })).to.equal("stopped");
  });

  it("is created while init waits behind its gate", () => {
    writeFileSync("/proc/self/comm", "tsrunc:init");
    expect(statusOf({}, { [gateName]: "" })).to.equal("created");
  });

  it("is running when the gate is gone, or left by a start that was killed", () => {
    expect(statusOf({})).to.equal("running");
    expect(statusOf({}, { [gateName]: "" })).to.equal("running");
  });

  it("is stopped when the pid is nobody's or another's", () => {
    expect(statusOf(nobody)).to.equal("stopped");
    expect(statusOf({ startTime: "1" })).to.equal("stopped");
  });

  it("is paused when its cgroup is frozen, created or not", () => {
    const cgroups = frozen(`${rt.root}/c1`);
    expect(
      statusOf({ cgroups }, { "cgroup.freeze": "1\n", "cgroup.events": "frozen 1\n" }),
    ).to.equal("paused");
  });

  it("refuses ids that would be paths", () => {
    expect(() => openContainer(rt, "../c1")).to.throw(/invalid/);
  });

  it("takes neither what is stopped nor what is being made for alive", () => {
    for (const more of [nobody, { phase: "creating" as const, pid: 0 }]) {
      saveState(rt.root, sampleState(more));
      expect(() => requireAlive(openContainer(rt, "c1"))).to.throw(/^container not running$/);
    }
  });
});
