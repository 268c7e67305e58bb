import { expect } from "chai";
import {
  cgroupHost,
  layoutFromMounts,
  ownDirectory,
  parseCgroupMounts,
  parseMemberships,
} from "./cgroup-mode.ts";

const hybridMounts = [
  "25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
  "31 25 0:28 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755",
  "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct",
  "33 31 0:30 / /sys/fs/cgroup/systemd rw shared:2 - cgroup cgroup rw,xattr,name=systemd",
  "34 31 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate",
  "35 31 0:32 /docker/ab /odd\\040place rw - cgroup cgroup rw,pids",
  "",
].join("\n");

describe("cgroup layout of the host", () => {
  it("reads the cgroup lines of mountinfo only, with roots, options and escapes", () => {
    const mounts = parseCgroupMounts(hybridMounts);
    expect(mounts.map((m) => [m.version, m.root, m.mountPoint])).to.deep.equal([
      [1, "/", "/sys/fs/cgroup/cpu,cpuacct"],
      [1, "/", "/sys/fs/cgroup/systemd"],
      [2, "/", "/sys/fs/cgroup/unified"],
      [1, "/docker/ab", "/odd place"],
    ]);
    expect(mounts[0]?.options).to.include.members(["cpu", "cpuacct"]);
  });

  it("keeps colons in paths and named hierarchies of /proc/PID/cgroup", () => {
    expect(parseMemberships("3:cpu,cpuacct:/a:b\n1:name=systemd:/\n0::/x\n")).to.deep.equal([
      { controllers: ["cpu", "cpuacct"], path: "/a:b" },
      { controllers: ["name=systemd"], path: "/" },
      { controllers: [""], path: "/x" },
    ]);
  });

  it("calls v1 controllers with a unified mount hybrid", () => {
    const own = parseMemberships("3:cpu,cpuacct:/a\n2:name=systemd:/\n1:hugetlb:/\n0::/x\n");
    const host = layoutFromMounts(own, parseCgroupMounts(hybridMounts));
    expect(host.mode).to.equal("hybrid");
    // hugetlb exists in the kernel but is mounted nowhere.
    expect(host.hierarchies.map((h) => h.mountPoint)).to.deep.equal([
      "/sys/fs/cgroup/cpu,cpuacct",
      "/sys/fs/cgroup/systemd",
      "/sys/fs/cgroup/unified",
    ]);
  });

  it("calls a host v2 when only named v1 hierarchies are mounted beside cgroup2", () => {
    const mounts = parseCgroupMounts(
      "1 2 0:1 / /sys/fs/cgroup rw - cgroup2 none rw\n" +
        "2 1 0:2 / /mnt/named rw - cgroup none rw,name=elogind\n",
    );
    const host = layoutFromMounts(parseMemberships("1:name=elogind:/\n0::/init.scope\n"), mounts);
    expect(host).to.deep.equal({
      mode: "v2",
      hierarchies: [{ controllers: [""], mountPoint: "/sys/fs/cgroup", ownPath: "/init.scope" }],
    });
  });

  it("finds the own directory below a mount that shows a sub-tree", () => {
    const mounts = () => parseCgroupMounts(hybridMounts);
    const at = (mountPoint: string, ownPath: string) =>
      ownDirectory({ controllers: ["x"], mountPoint, ownPath }, mounts);
    expect(at("/sys/fs/cgroup/systemd", "/user.slice")).to.equal(
      "/sys/fs/cgroup/systemd/user.slice",
    );
    expect(at("/odd place", "/docker/ab")).to.equal("/odd place");
    expect(at("/odd place", "/docker/ab/c")).to.equal("/odd place/c");
    expect(at("/odd place", "/docker/abc")).to.equal("/odd place");
    expect(at("/odd place", "/../outside")).to.equal("/odd place");
  });

  it("does not read mountinfo when the own cgroup is the root", () => {
    const mounts = (): never => expect.fail("mountinfo was read");
    const root = { controllers: ["pids"], mountPoint: "/m", ownPath: "/" };
    expect(ownDirectory(root, mounts)).to.equal("/m");
  });

  it("describes this host", () => {
    const host = cgroupHost();
    expect(host.hierarchies).to.not.be.empty;
    for (const hierarchy of host.hierarchies) {
      expect(hierarchy.mountPoint).to.match(/^\//);
      expect(hierarchy.ownPath).to.match(/^\//);
    }
  });
});
