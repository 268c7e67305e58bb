import { expect } from "chai";
import type { LinuxResources } from "../../schemas/generated/config.ts";
import { v1Limits } from "./v1-resources.ts";

/** `file=value` in order. */
function writes(resources: LinuxResources): string[] {
  return v1Limits(resources).writes.map((w) => `${w.file}=${w.value}`);
}

describe("v1 limits", () => {
  it("writes nothing for nothing, nor for zeros and nulls that docker sends", () => {
    expect(writes({})).to.deep.equal([]);
    const nulls = JSON.parse(
      '{"cpu":{"shares":0,"quota":0,"burst":null,"cpus":"","mems":""},"memory":{"limit":0,"swappiness":null},"blockIO":{"weight":0},"pids":{"limit":null},"network":null}',
    );
    expect(writes(nulls)).to.deep.equal([]);
  });

  it("orders cpu: period before quota, both repeatable, cpuset first", () => {
    const cpu = {
      shares: 512,
      quota: 50000,
      period: 100000,
      burst: 1,
      idle: 0,
      cpus: "0",
      mems: "0",
    };
    expect(writes({ cpu })).to.deep.equal([
      "cpuset.cpus=0",
      "cpuset.mems=0",
      "cpu.shares=512",
      "cpu.cfs_period_us=100000",
      "cpu.cfs_burst_us=1",
      "cpu.cfs_quota_us=50000",
      "cpu.idle=0",
    ]);
    const period = v1Limits({ cpu }).writes.find((w) => w.file === "cpu.cfs_period_us");
    expect(period?.retry).to.equal(true);
    const alone = v1Limits({ cpu: { period: 1000 } }).writes[0];
    expect(alone).to.not.have.property("retry");
  });

  it("refuses shares that the kernel would clamp", () => {
    expect(() => writes({ cpu: { shares: 1 } })).to.throw("minimum allowed cpu-shares is 2");
    expect(() => writes({ cpu: { shares: 262145 } })).to.throw(
      "maximum allowed cpu-shares is 262144",
    );
  });

  it("lets memory and memory+swap be written in either order, and lifts swap with memory", () => {
    const both = v1Limits({ memory: { limit: 1000, swap: 2000 } }).writes;
    expect(both.map((w) => [w.file, w.value, w.retry])).to.deep.equal([
      ["memory.limit_in_bytes", "1000", true],
      ["memory.memsw.limit_in_bytes", "2000", undefined],
    ]);
    expect(writes({ memory: { limit: -1 } })).to.deep.equal([
      "memory.limit_in_bytes=-1",
      "memory.memsw.limit_in_bytes=-1",
    ]);
    expect(writes({ memory: { limit: -1, swap: 5 } }).at(-1)).to.equal(
      "memory.memsw.limit_in_bytes=5",
    );
  });

  it("keeps 64-bit values", () => {
    expect(writes({ memory: { limit: 9223372036854771712n } })).to.deep.equal([
      "memory.limit_in_bytes=9223372036854771712",
    ]);
  });

  it("writes reservation, oom killer and swappiness, whose -1 means unset", () => {
    expect(
      writes({ memory: { reservation: 7, disableOOMKiller: true, swappiness: 0 } }),
    ).to.deep.equal([
      "memory.soft_limit_in_bytes=7",
      "memory.oom_control=1",
      "memory.swappiness=0",
    ]);
    expect(writes({ memory: { swappiness: 18446744073709551615n } })).to.deep.equal([]);
    expect(() => writes({ memory: { swappiness: 101 } })).to.throw("valid range is 0-100");
  });

  it("limits TCP buffers, warns of kernel memory", () => {
    expect(v1Limits({ memory: { kernel: 5 } }).warnings).to.have.length(1);
    expect(writes({ memory: { kernelTCP: 6 } })).to.deep.equal([
      "memory.kmem.tcp.limit_in_bytes=6",
    ]);
  });

  it("translates pids limits: none below zero, 1 for 0", () => {
    const max = (limit: number) => writes({ pids: { limit } })[0];
    expect([max(-1), max(0), max(5)]).to.deep.equal(["pids.max=max", "pids.max=1", "pids.max=5"]);
  });

  it("knows both names of the block weight, devices and throttles", () => {
    const { writes: list } = v1Limits({
      blockIO: {
        weight: 100,
        leafWeight: 200,
        weightDevice: [{ major: 8, minor: 0, weight: 300, leafWeight: 400 }],
        throttleReadBpsDevice: [{ major: 8, minor: 16, rate: 1048576 }],
        throttleWriteIOPSDevice: [{ major: 8, minor: 16, rate: 0 }],
      },
    });
    expect(list.map((w) => `${w.file}=${w.value}`)).to.deep.equal([
      "blkio.weight=100",
      "blkio.leaf_weight=200",
      "blkio.weight_device=8:0 300",
      "blkio.leaf_weight_device=8:0 400",
      "blkio.throttle.read_bps_device=8:16 1048576",
      "blkio.throttle.write_iops_device=8:16 0",
    ]);
    expect(list[0]?.otherwise).to.deep.equal({ file: "blkio.bfq.weight", value: "100" });
    expect(list[4]?.field).to.equal("linux.resources.blockIO.throttleReadBpsDevice[0]");
  });

  it("writes hugepages with reservations, network and rdma", () => {
    expect(
      writes({
        hugepageLimits: [{ pageSize: "2MB", limit: 0 }],
        network: { classID: 1048577, priorities: [{ name: "eth0", priority: 5 }] },
        rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 10000 } },
      }),
    ).to.deep.equal([
      "hugetlb.2MB.limit_in_bytes=0",
      "hugetlb.2MB.rsvd.limit_in_bytes=0",
      "net_cls.classid=1048577",
      "net_prio.ifpriomap=eth0 5",
      "rdma.max=mlx5_1 hca_handle=3 hca_object=10000",
    ]);
  });

  it("refuses unified and names the key; an empty map is fine", () => {
    expect(() => writes({ unified: { "memory.high": "1" } })).to.throw('unified["memory.high"]');
    expect(writes({ unified: {} })).to.deep.equal([]);
  });
});
