import { expect } from "chai";
import { addDeviceLinks, addDevices, openDevices, prepareDevices } from "./devices.ts";
import { newPlanBuilder } from "./plan.ts";

const fuse = { path: "/dev/fuse", type: "c" as const, major: 10, minor: 229, fileMode: 0o600 };

describe("devices", () => {
  it("are the defaults and those of the config", () => {
    const builder = newPlanBuilder();
    addDevices(builder, prepareDevices(builder, [fuse], false));
    const paths = builder.ops.flatMap((op) => (op.op === "makeDevice" ? [op.path] : []));
    expect(paths).to.deep.equal([
      ...["/dev/null", "/dev/random", "/dev/full", "/dev/tty", "/dev/zero", "/dev/urandom"],
      "/dev/fuse",
    ]);
  });

  it("of the config replace a default of the same path, however it is spelled", () => {
    const builder = newPlanBuilder();
    const own = { path: "/dev//null", type: "c" as const, major: 1, minor: 3, uid: 7 };
    addDevices(builder, prepareDevices(builder, [own], false));
    const nulls = builder.ops.filter((op) => op.op === "makeDevice" && op.path === "/dev/null");
    expect(nulls).to.have.length(1);
    expect(nulls[0]).to.include({ uid: 7 });
  });

  it("are bound from the host in a user namespace, but for fifos, which anybody may make", () => {
    const builder = newPlanBuilder();
    const prepared = prepareDevices(builder, [fuse, { path: "/dev/initctl", type: "p" }], true);
    openDevices(builder, prepared);
    addDevices(builder, prepared);
    const made = builder.ops.flatMap((op) => (op.op === "makeDevice" ? [op.path] : []));
    expect(made).to.deep.equal(["/dev/initctl"]);
    const opened = builder.ops.flatMap((op) => (op.op === "openTree" ? [op.path] : []));
    expect(opened).to.include("/dev/fuse").and.to.have.length(7);
  });

  it("come with links; ptmx always leads to the container's own devpts", () => {
    const builder = newPlanBuilder();
    addDeviceLinks(builder, false);
    const links = builder.ops.flatMap((op) => (op.op === "makeSymlink" ? [op.path] : []));
    expect(links).to.not.include("/dev/core");
    expect(builder.ops.at(-1)).to.include({ path: "/dev/ptmx", target: "pts/ptmx", replace: 1 });
  });
});
