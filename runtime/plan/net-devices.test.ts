import { expect } from "chai";
import { buildNetDevicePlan } from "./net-devices.ts";

describe("network devices", () => {
  it("are moved in order, under their new names where they have one, and the caller is told at the end", () => {
    const { ops } = buildNetDevicePlan({ eth1: { name: "net0" }, eth2: {}, eth3: { name: "" } }, 7);
    expect(ops).to.deep.equal([
      { op: "moveNetDevice", fd: 7, name: "eth1", newName: "net0" },
      { op: "moveNetDevice", fd: 7, name: "eth2", newName: "eth2" },
      { op: "moveNetDevice", fd: 7, name: "eth3", newName: "eth3" },
      { op: "sync", point: 3 },
    ]);
  });
});
