import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { expect } from "chai";
import { blockingWaiter } from "../../runtime/lifecycle/blocking-waiter.ts";
import { describeMounts, type MountRig, startMountRig } from "./test-rig.ts";
import { unmountRootfs } from "./unmount.ts";

describeMounts("shim rootfs unmount", function () {
  this.timeout(20_000);
  let rig: MountRig;

  beforeEach(() => {
    rig = startMountRig();
  });

  afterEach(() => {
    rig.end();
  });

  function tmpfs(...names: string[]): void {
    for (const name of names) {
      fs.mkdirSync(`${rig.rootfs}/${name}`, { recursive: true });
      execFileSync("mount", ["-t", "tmpfs", "none", `${rig.rootfs}/${name}`]);
    }
  }

  it("does nothing without mounts or directory", async () => {
    await unmountRootfs(rig.env, rig.rootfs);
    rig.make("rootfs", { file: "" });
    await unmountRootfs(rig.env, rig.rootfs);
    expect(fs.readdirSync(rig.rootfs)).to.deep.equal(["file"]);
    expect(rig.warnings).to.deep.equal([]);
  });

  it("takes off mounts that are stacked, nested and hidden", async () => {
    tmpfs("", "a", "a/b c", "a/b c", "", "a", "d/e", "");
    expect(rig.mounted()).to.have.length(8);
    await unmountRootfs(rig.env, rig.rootfs);
    expect(rig.mounted()).to.deep.equal([]);
    expect(fs.readdirSync(rig.rootfs)).to.deep.equal([]);
    expect(rig.warnings).to.deep.equal([]);
  });

  it("takes off what is below a root that is no mount itself", async () => {
    tmpfs("x", "x/y", "z");
    await unmountRootfs(rig.env, rig.rootfs);
    expect(rig.mounted()).to.deep.equal([]);
  });

  it("does not follow a link in place of the root", async () => {
    tmpfs("");
    fs.symlinkSync(rig.rootfs, `${rig.directory}/link`);
    await unmountRootfs(rig.env, `${rig.directory}/link`);
    expect(rig.mounted()).to.have.length(1);
  });

  it("waits for the user of a busy mount while other work goes on", async () => {
    tmpfs("", "a");
    const fd = fs.openSync(`${rig.rootfs}/a/file`, "w");
    let turns = 0;
    const ticking = setInterval(() => {
      turns++;
    }, 5);
    setTimeout(() => fs.closeSync(fd), 200);
    try {
      await unmountRootfs(rig.env, rig.rootfs);
    } finally {
      clearInterval(ticking);
    }
    expect(rig.mounted()).to.deep.equal([]);
    expect(rig.warnings).to.deep.equal([]);
    expect(turns).to.be.greaterThan(10);
  });

  it("detaches what stays busy, and says so", async () => {
    tmpfs("", "a");
    const fd = fs.openSync(`${rig.rootfs}/a/file`, "w");
    try {
      await unmountRootfs({ ...rig.env, patienceMs: 200 }, rig.rootfs);
      expect(rig.mounted()).to.deep.equal([]);
      expect(rig.warnings).to.deep.equal([
        `${rig.rootfs} is still busy after 200 ms, it is detached`,
      ]);
    } finally {
      fs.closeSync(fd);
    }
  });

  it("works in a process that has no event loop to spare", async () => {
    tmpfs("", "a");
    const waiter = blockingWaiter(() => rig.native);
    await unmountRootfs({ ...rig.env, waiter }, rig.rootfs);
    expect(rig.mounted()).to.deep.equal([]);
  });
});
