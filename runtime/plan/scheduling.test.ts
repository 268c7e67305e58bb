import { expect } from "chai";
import { newPlanBuilder } from "./plan.ts";
import {
  addContainerWide,
  addEarlyPriorities,
  addPriorities,
  bitMask,
  ioPriorityValue,
  schedulerAttributes,
} from "./scheduling.ts";

const process = { cwd: "/", args: ["true"] };

describe("scheduling", () => {
  it("encodes struct sched_attr", () => {
    const bytes = schedulerAttributes({
      policy: "SCHED_DEADLINE",
      nice: -5,
      priority: 3,
      flags: ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_DL_OVERRUN"],
      runtime: 1_000_000,
      deadline: 2n ** 40n,
      period: 7,
    });
    const view = new DataView(bytes.buffer);
    expect(bytes.length).to.equal(56);
    expect(view.getUint32(0, true)).to.equal(56);
    expect(view.getUint32(4, true)).to.equal(6);
    expect(view.getBigUint64(8, true)).to.equal(5n);
    expect(view.getInt32(16, true)).to.equal(-5);
    expect(view.getUint32(20, true)).to.equal(3);
    const times = [24, 32, 40].map((offset) => view.getBigUint64(offset, true));
    expect(times).to.deep.equal([1_000_000n, 2n ** 40n, 7n]);
  });

  it("packs the I/O class above the priority", () => {
    expect(ioPriorityValue({ class: "IOPRIO_CLASS_RT", priority: 4 })).to.equal(0x2004);
    expect(ioPriorityValue({ class: "IOPRIO_CLASS_IDLE" })).to.equal(0x6000);
  });

  it("turns lists into masks of whole words", () => {
    expect([...bitMask("0-2,9")]).to.deep.equal([7, 2, 0, 0, 0, 0, 0, 0]);
    expect([...bitMask("0, 2")]).to.deep.equal([5, 0, 0, 0, 0, 0, 0, 0]);
    expect(bitMask("63").length).to.equal(8);
    expect(bitMask("64").length).to.equal(16);
    expect(bitMask("64")[8]).to.equal(1);
  });

  it("takes each priority once, before a user namespace where a fork keeps it", () => {
    const ops = (scheduler: Parameters<typeof schedulerAttributes>[0], inUser: boolean) => {
      const builder = newPlanBuilder();
      const subject = { ...process, scheduler, ioPriority: { class: "IOPRIO_CLASS_BE" } as const };
      if (inUser) addEarlyPriorities(builder, subject);
      const early = builder.ops.map(({ op }) => op);
      addPriorities(builder, subject, inUser);
      return [early, builder.ops.slice(early.length).map(({ op }) => op)];
    };
    const both = ["scheduler", "ioPriority"];
    expect(ops({ policy: "SCHED_FIFO" }, false)).to.deep.equal([[], both]);
    expect(ops({ policy: "SCHED_FIFO" }, true)).to.deep.equal([both, []]);
    expect(ops({ policy: "SCHED_DEADLINE" }, true)).to.deep.equal([["ioPriority"], ["scheduler"]]);
  });

  it("says personality and memory policy in the kernel's numbers", () => {
    const builder = newPlanBuilder();
    addContainerWide(builder, {
      personality: { domain: "LINUX32" },
      memoryPolicy: { mode: "MPOL_BIND", nodes: "0-1", flags: ["MPOL_F_STATIC_NODES"] },
    });
    expect(builder.ops).to.deep.equal([
      { op: "personality", value: 8n },
      { op: "memoryPolicy", mode: 0x8002, nodes: new Uint8Array([3, 0, 0, 0, 0, 0, 0, 0]) },
    ]);
  });
});
