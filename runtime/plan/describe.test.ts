import { expect } from "chai";
import type { Op } from "../../schemas/generated/plan.ts";
import { describeOp } from "./describe.ts";

function about(op: Op, slots: string[] = []): string {
  return describeOp({ ops: [op], cloneFlags: 0, forks: false, slots }, 0);
}

describe("an operation in words", () => {
  it("is what its slot holds, where it has one", () => {
    const attach: Op = {
      ...{ op: "attach", slot: 0, target: "/x" },
      ...{ strict: 0, copyUp: 0, mode: 0, coveredMode: 0 },
    };
    expect(about(attach, ["mount proc on /proc"])).to.equal("mount proc on /proc");
    expect(about(attach)).to.equal("attach");
  });

  it("names its object", () => {
    expect(about({ op: "hostname", name: "box" })).to.equal("set hostname box");
    expect(about({ op: "maskPath", path: "/proc/kcore" })).to.equal("mask /proc/kcore");
    expect(about({ op: "writeProc", path: "sys/a", value: "1", optional: 0 })).to.equal(
      "write 1 to /proc/sys/a",
    );
  });

  it("is its name in words when there is nothing to name", () => {
    expect(about({ op: "pivotRoot" })).to.equal("pivot root");
  });

  it("is about the plan itself when the index is beyond it", () => {
    expect(describeOp({ ops: [], cloneFlags: 0, forks: false, slots: [] }, 3)).to.equal(
      "read plan",
    );
  });
});
