/** Mount options: every name of the specification lands where it belongs, and later ones win. */
import { expect } from "chai";
import { MOUNT_ATTR, MS, propagationFlag } from "./mount-flags.ts";
import { knownMountOptions, parseMountOptions } from "./mount-options.ts";

/** The option table of config.md (runtime-spec 1.3). */
const specified =
  `async atime bind defaults dev diratime dirsync exec idmap iversion lazytime loud mand noatime nodev
  nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev
  rdiratime relatime remount rexec ridmap rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid
  rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent
  slave strictatime suid symfollow sync tmpcopyup unbindable`.split(/\s+/);

describe("mount options", () => {
  it("know every name of the specification, and hand none of them to the file system", () => {
    expect(knownMountOptions()).to.include.members(specified);
    expect(parseMountOptions(specified).data).to.deep.equal([]);
    for (const name of knownMountOptions())
      expect(parseMountOptions([name]).data, name).to.deep.equal([]);
  });

  it("list each known name once, sorted", () => {
    const names = knownMountOptions();
    expect(names).to.deep.equal([...new Set(names)].sort());
  });

  it("hand everything else to the file system, in order", () => {
    const options = [
      "mode=755",
      "ro",
      "size=65536k",
      "newinstance",
      "rsync",
      "acl",
      "toString",
      "r",
    ];
    expect(parseMountOptions(options).data).to.deep.equal([
      "mode=755",
      "size=65536k",
      "newinstance",
      "rsync",
      "acl",
      "toString",
      "r",
    ]);
  });

  it("set and clear attributes, the last one winning", () => {
    const options = parseMountOptions([
      "ro",
      "nosuid",
      "noexec",
      "rw",
      "nodev",
      "exec",
      "nosymfollow",
    ]);
    expect(options.set).to.equal(MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOSYMFOLLOW);
    expect(options.clear).to.equal(MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOEXEC);
    expect(options.recursiveSet | options.recursiveClear).to.equal(0n);
  });

  it("keep the recursive scope apart", () => {
    const options = parseMountOptions(["rro", "rnosuid", "rexec", "rw"]);
    expect(options.recursiveSet).to.equal(MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID);
    expect(options.recursiveClear).to.equal(MOUNT_ATTR.NOEXEC);
    expect(options.clear).to.equal(MOUNT_ATTR.RDONLY);
    expect(options.bind).to.equal(false);
  });

  it("treat access times as one setting with three values (mount_setattr(2))", () => {
    const strict = parseMountOptions(["noatime", "strictatime", "nodiratime"]);
    expect(strict.set).to.equal(MOUNT_ATTR.STRICTATIME | MOUNT_ATTR.NODIRATIME);
    expect(strict.clear).to.equal(MOUNT_ATTR.ATIME);
    for (const name of ["atime", "relatime", "norelatime", "nostrictatime"]) {
      const options = parseMountOptions(["noatime", name]);
      expect([options.set, options.clear], name).to.deep.equal([0n, MOUNT_ATTR.ATIME]);
      const recursive = parseMountOptions(["rnoatime", `r${name}`]);
      expect([recursive.recursiveSet, recursive.recursiveClear]).to.deep.equal([
        0n,
        MOUNT_ATTR.ATIME,
      ]);
    }
    expect(parseMountOptions(["rnoatime"]).recursiveSet).to.equal(MOUNT_ATTR.NOATIME);
  });

  it("tell bind from rbind, and collect propagation in order", () => {
    expect(parseMountOptions(["bind"])).to.include({ bind: true, recursive: false });
    const options = parseMountOptions(["rbind", "rprivate", "shared"]);
    expect(options).to.include({ bind: true, recursive: true });
    expect(options.propagation).to.deep.equal([MS.PRIVATE | MS.REC, MS.SHARED]);
    expect(parseMountOptions([])).to.include({
      bind: false,
      remount: false,
      copyUp: false,
      idmap: "none",
    });
  });

  it("name superblock flags as fsconfig(2) does, without contradictions", () => {
    expect(parseMountOptions(["sync", "lazytime", "async", "dirsync"]).superFlags).to.deep.equal([
      "lazytime",
      "async",
      "dirsync",
    ]);
  });

  it("take the extensions", () => {
    expect(parseMountOptions(["tmpcopyup", "ridmap", "remount"])).to.include({
      copyUp: true,
      idmap: "ridmap",
      remount: true,
    });
  });
});

describe("propagation names", () => {
  it("become MS_ bits", () => {
    expect(propagationFlag("rslave")).to.equal(0x84000);
    expect(propagationFlag("shared")).to.equal(0x100000);
    expect(propagationFlag("")).to.equal(0);
    expect(propagationFlag("constructor")).to.equal(0);
  });
});
