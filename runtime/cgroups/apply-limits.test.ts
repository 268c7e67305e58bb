import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { RuntimeError } from "../base/errors.ts";
import { applyLimits, previousValue } from "./apply-limits.ts";
import type { LimitWrite } from "./resources.ts";

describe("applying limits", () => {
  let directory: string;
  const limit = (file: string, value: string, more: Partial<LimitWrite> = {}): LimitWrite => ({
    controller: "pids",
    file,
    value,
    field: `field.of.${file}`,
    ...more,
  });
  const content = (file: string) => readFileSync(`${directory}/${file}`, "utf8");

  beforeEach(() => {
    directory = mkdtempSync(`${tmpdir()}/limits-`);
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  it("takes the other file where the first does not exist, and warns of optional ones", () => {
    writeFileSync(`${directory}/b`, "");
    const writes = [
      limit("a", "1", { otherwise: { file: "b", value: "2" } }),
      limit("c", "3", { optional: "too old" }),
      limit("d", "4", { optional: true }),
    ];
    const warnings = applyLimits({ writes, warnings: ["first"] }, () => directory, false);
    expect(warnings).to.deep.equal(["first", "field.of.c has no effect: too old"]);
    expect(content("b")).to.equal("2");
  });

  it("names field, file and controller of a limit that cannot be set", () => {
    const plan = { writes: [limit("pids.max", "1")], warnings: [] };
    const attempt = (where: string | undefined) => () => applyLimits(plan, () => where, false);
    expect(attempt(undefined)).to.throw(RuntimeError, /field\.of\.pids\.max.*pids controller/);
    expect(attempt(directory)).to.throw(RuntimeError, `no pids.max in ${directory}`);
    writeFileSync(`${directory}/cgroup.controllers`, "cpu memory\n");
    expect(attempt(directory))
      .to.throw(RuntimeError)
      .with.property("hint", "the pids controller is not available in this cgroup");
  });

  it("restores earlier values when a later write fails", () => {
    writeFileSync(`${directory}/a`, "old\n");
    const writes = [limit("a", "new"), limit("missing", "1")];
    expect(() => applyLimits({ writes, warnings: [] }, () => directory, true)).to.throw("missing");
    expect(content("a").trim()).to.equal("old");
  });

  it("never leaves the cgroup's directory", () => {
    const plan = { writes: [limit("../escape", "1")], warnings: [] };
    expect(() => applyLimits(plan, () => directory, false)).to.throw("not a file name");
  });

  it("knows how to get back to what a file showed", () => {
    const back = (file: string, written: string, before: string) =>
      previousValue(file, written, before);
    expect(back("pids.max", "5", "max")).to.deep.equal(["max"]);
    expect(back("cpu.max", "5 10", "max 100000")).to.deep.equal(["max 100000"]);
    expect(back("cpuset.cpus", "0", "")).to.deep.equal(["\n"]);
    expect(back("memory.oom_control", "1", "oom_kill_disable 0\nunder_oom 0")).to.deep.equal(["0"]);
    expect(back("io.bfq.weight", "7", "default 100\n8:0 5")).to.deep.equal(["100"]);
    const throttle = "blkio.throttle.read_bps_device";
    expect(back(throttle, "8:0 9", "8:16 3\n8:0 5")).to.deep.equal(["8:0 5"]);
    expect(back(throttle, "8:0 9", "8:16 3")).to.deep.equal(["8:0 0"]);
    expect(back("io.max", "8:0 rbps=9", "")).to.deep.equal([
      "8:0 rbps=max wbps=max riops=max wiops=max",
    ]);
  });
});
