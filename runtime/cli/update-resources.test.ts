import { expect } from "chai";
import { parse } from "./parse.ts";
import { resourcesFromFlags, updateFlags } from "./update-resources.ts";

function resourcesOf(...argv: string[]): unknown {
  const parsed = parse([...argv, "c1"], updateFlags, "interspersed");
  if (parsed.kind !== "values") throw new TypeError("expected values");
  return resourcesFromFlags(parsed.flags);
}

describe("resourcesFromFlags", () => {
  it("holds only what was given", () => {
    expect(resourcesOf()).to.deep.equal({});
    expect(resourcesOf("--cpu-share", "512")).to.deep.equal({ cpu: { shares: 512 } });
  });
  it("reads every flag", () => {
    expect(
      resourcesOf(
        ...["--blkio-weight", "100", "--cpu-period=100000", "--cpu-quota", "-1", "--cpu-burst=5"],
        ...["--cpu-share=2", "--cpu-rt-period=7", "--cpu-rt-runtime=6", "--cpuset-cpus=0-1"],
        ...["--cpuset-mems=0", "--memory", "64m", "--memory-swap", "-1", "--cpu-idle=1"],
        ...["--memory-reservation=1.5g", "--pids-limit", "-1", "--kernel-memory=1k"],
      ),
    ).to.deep.equal({
      blockIO: { weight: 100 },
      cpu: {
        shares: 2,
        quota: -1,
        burst: 5,
        period: 100000,
        realtimeRuntime: 6,
        realtimePeriod: 7,
        cpus: "0-1",
        mems: "0",
        idle: 1,
      },
      memory: { limit: 67108864, reservation: 1610612736, swap: -1, kernel: 1024 },
      pids: { limit: -1 },
    });
  });
  it("takes zero as a value", () => {
    expect(resourcesOf("--pids-limit=0", "--cpu-period=0")).to.deep.equal({
      cpu: { period: 0 },
      pids: { limit: 0 },
    });
  });
  it("keeps 64-bit values exact", () => {
    expect(
      resourcesOf("--cpu-period=18446744073709551615", "--memory=9007199254740993"),
    ).to.deep.equal({
      cpu: { period: 18446744073709551615n },
      memory: { limit: 9007199254740993n },
    });
  });
  const wrong: readonly (readonly [string, string])[] = [
    ["--cpu-share=-1", "invalid value for cpu-share"],
    ["--cpu-share=1k", "invalid value for cpu-share"],
    ["--cpu-period=18446744073709551616", "invalid value for cpu-period"],
    ["--cpu-quota=9223372036854775808", "invalid value for cpu-quota"],
    ["--memory=64q", "invalid value for memory: invalid size: '64q'"],
    ["--memory=-2", "invalid value for memory: invalid size: '-2'"],
    ["--blkio-weight=5", "invalid value for blkio-weight"],
  ];
  for (const [flag, text] of wrong) {
    it(`refuses ${flag}`, () => expect(() => resourcesOf(flag)).to.throw(text));
  }
});
