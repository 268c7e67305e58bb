import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { appArmorFile, hasAppArmor, hasSelinux } from "./lsm.ts";

describe("security modules", () => {
  const root = mkdtempSync(`${tmpdir()}/lsm-`);
  after(() => rmSync(root, { recursive: true }));

  function write(path: string, text: string): void {
    mkdirSync(`${root}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    writeFileSync(`${root}/${path}`, text);
  }

  it("are off where nothing says that they are on", () => {
    expect(hasAppArmor(`${root}/none`)).to.equal(false);
    expect(hasSelinux(`${root}/none`)).to.equal(false);
    expect(appArmorFile(`${root}/none`)).to.equal("attr/exec");
  });

  it("AppArmor may be built in and off", () => {
    write("off/module/apparmor/parameters/enabled", "N\n");
    write("on/module/apparmor/parameters/enabled", "Y\n");
    expect(hasAppArmor(`${root}/off`)).to.equal(false);
    expect(hasAppArmor(`${root}/on`)).to.equal(true);
  });

  it("AppArmor's own file is preferred", () => {
    write("proc/self/attr/apparmor/exec", "");
    expect(appArmorFile(`${root}/proc`)).to.equal("attr/apparmor/exec");
  });

  it("SELinux is on when its file system is mounted", () => {
    write("on/fs/selinux/enforce", "0");
    expect(hasSelinux(`${root}/on`)).to.equal(true);
  });
});
