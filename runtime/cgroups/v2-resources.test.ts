import { expect } from "chai";
import type { LinuxResources } from "../../schemas/generated/config.ts";
import { cpuWeight, ioWeight, type V2Current, v2Limits } from "./v2-resources.ts";

function writes(resources: LinuxResources, current?: V2Current): string[] {
  return v2Limits(resources, current).writes.map((w) => `${w.file}=${w.value}`);
}

describe("v2 limits", () => {
  it("converts shares to weights at the fixed points of the common formula", () => {
    expect([0, 1, 2, 1024, 262144, 300000].map(cpuWeight)).to.deep.equal([
      1, 1, 1, 100, 10000, 10000,
    ]);
    expect([512, 2048, 102].map(cpuWeight)).to.deep.equal([59, 174, 17]);
  });

  it("converts block weights linearly", () => {
    expect([10, 100, 1000].map(ioWeight)).to.deep.equal([1, 910, 10000]);
  });

  it("separates swap from memory", () => {
    expect(writes({ memory: { limit: 1000, swap: 3000 } })).to.deep.equal([
      "memory.swap.max=2000",
      "memory.max=1000",
    ]);
    expect(writes({ memory: { limit: 1000, swap: 1000 } })[0]).to.equal("memory.swap.max=0");
    expect(writes({ memory: { limit: -1 } })).to.deep.equal([
      "memory.swap.max=max",
      "memory.max=max",
    ]);
    expect(writes({ memory: { limit: -1, swap: 500 } })[0]).to.equal("memory.swap.max=500");
    expect(writes({ memory: { limit: 5, swap: -1 } })[0]).to.equal("memory.swap.max=max");
    expect(writes({ memory: { limit: 5 } })).to.deep.equal(["memory.max=5"]);
  });

  it("subtracts exactly beyond 2^53", () => {
    const memory = { limit: 9007199254740993n, swap: 9007199254740994n };
    expect(writes({ memory })[0]).to.equal("memory.swap.max=1");
  });

  it("takes the present memory limit for a lone swap limit, and refuses contradictions", () => {
    expect(writes({ memory: { swap: 3000 } }, { memoryMax: "1000" })).to.deep.equal([
      "memory.swap.max=2000",
    ]);
    expect(writes({ memory: { swap: 3000 } }, { memoryMax: "max" })).to.deep.equal([
      "memory.swap.max=3000",
    ]);
    expect(() => writes({ memory: { swap: 3000 } })).to.throw("without memory limit");
    expect(() => writes({ memory: { limit: 2, swap: 1 } })).to.throw("should be >= memory limit");
    expect(() => writes({ memory: { limit: -2, swap: 1 } })).to.throw("invalid memory value");
  });

  it("writes cpu.max from what is given and keeps the rest", () => {
    expect(writes({ cpu: { quota: 5000, period: 10000 } })).to.deep.equal(["cpu.max=5000 10000"]);
    expect(writes({ cpu: { quota: -1 } })).to.deep.equal(["cpu.max=max"]);
    expect(writes({ cpu: { period: 10000 } })).to.deep.equal(["cpu.max=max 10000"]);
    expect(writes({ cpu: { period: 10000 } }, { cpuMax: "7000 100000" })).to.deep.equal([
      "cpu.max=7000 10000",
    ]);
  });

  it("falls back from bfq to io.weight and writes io.max by key", () => {
    const { writes: list } = v2Limits({
      blockIO: { weight: 100, throttleWriteBpsDevice: [{ major: 8, minor: 0, rate: 9 }] },
    });
    expect(list[0]).to.deep.include({ file: "io.bfq.weight", value: "100" });
    expect(list[0]?.otherwise).to.deep.equal({ file: "io.weight", value: "910" });
    expect(list[1]).to.deep.include({ file: "io.max", value: "8:0 wbps=9" });
  });

  it("writes unified last, line by line, and refuses paths and names without a controller", () => {
    const unified = { "io.max": "8:0 rbps=1\n8:16 rbps=2\n", "memory.high": "7" };
    expect(writes({ unified, pids: { limit: 3 } })).to.deep.equal([
      "pids.max=3",
      "io.max=8:0 rbps=1",
      "io.max=8:16 rbps=2",
      "memory.high=7",
    ]);
    expect(() => writes({ unified: { "../x.y": "1" } })).to.throw("no slashes");
    expect(() => writes({ unified: { tasks: "1" } })).to.throw("CONTROLLER.PARAMETER");
  });

  it("warns of what v2 does not have", () => {
    const { writes: list, warnings } = v2Limits({
      memory: { swappiness: 0, disableOOMKiller: true },
      cpu: { realtimeRuntime: 5 },
      network: { classID: 5 },
    });
    expect(list).to.deep.equal([]);
    expect(warnings).to.have.length(4);
    expect(warnings[0]).to.include("linux.resources.memory.swappiness");
  });
});
