import { expect } from "chai";
import { MOUNT_ATTR } from "../spec/mount-flags.ts";
import { parseMountOptions } from "../spec/mount-options.ts";
import { addCgroupMount, type CgroupMountFacts } from "./cgroup-mounts.ts";
import { newPlanBuilder } from "./plan.ts";

const hierarchies = [
  { name: "cpu,cpuacct", controllers: ["cpu", "cpuacct"], path: "/sys/fs/cgroup/cpu/c1" },
  { name: "systemd", controllers: ["name=systemd"], path: "/sys/fs/cgroup/systemd/c1" },
];

function opsOf(facts: CgroupMountFacts, options: string[] = []) {
  const builder = newPlanBuilder();
  addCgroupMount(builder, "/sys/fs/cgroup", parseMountOptions(options), facts);
  return builder.ops;
}

describe("cgroup mounts", () => {
  it("on v2 are one file system", () => {
    const ops = opsOf({ mode: "v2", hierarchies: [], namespaced: true }, ["ro"]);
    expect(ops.map(({ op }) => op)).to.deep.equal(["openDetached", "attach"]);
    expect(ops[0]).to.include({ fstype: "cgroup2", attributes: MOUNT_ATTR.RDONLY });
  });

  it("on v2 show the container's own cgroup where the file system cannot be mounted", () => {
    const own = { name: "", controllers: [""], path: "/sys/fs/cgroup/user.slice/c1" };
    const ops = opsOf({ mode: "v2", hierarchies: [own], namespaced: false }, ["ro"]);
    expect(ops.map(({ op }) => op)).to.deep.equal(["openTree", "setMountAttributes", "attach"]);
    expect(ops[0]).to.include({ path: own.path });
  });

  it("on v1 show only the container's own cgroup where there is no namespace (CVE-2023-25809)", () => {
    const ops = opsOf({ mode: "v1", hierarchies, namespaced: false });
    const opened = ops.flatMap((op) => (op.op === "openTree" ? [op.path] : []));
    expect(opened).to.deep.equal(hierarchies.map(({ path }) => path));
    expect(ops.filter((op) => op.op === "openDetached" && op.fstype === "cgroup")).to.have.length(
      0,
    );
  });

  it("on v1 mount each hierarchy in a namespace, a named one with none", () => {
    const ops = opsOf({ mode: "v1", hierarchies, namespaced: true });
    const options = ops.flatMap((op) => (op.op === "openDetached" ? [op.options] : []));
    expect(options).to.deep.equal([["mode=755"], ["cpu", "cpuacct"], ["name=systemd", "none"]]);
  });

  it("link the controllers of a joint hierarchy, and make the tmpfs read-only last", () => {
    const ops = opsOf({ mode: "v1", hierarchies, namespaced: false }, ["ro"]);
    const links = ops.flatMap((op) => (op.op === "makeSymlink" ? [[op.path, op.target]] : []));
    expect(links).to.deep.equal([
      ["/sys/fs/cgroup/cpu", "cpu,cpuacct"],
      ["/sys/fs/cgroup/cpuacct", "cpu,cpuacct"],
    ]);
    expect(ops.at(-1)).to.include({ op: "setMountAttributes", slot: 0, set: MOUNT_ATTR.RDONLY });
  });
});
