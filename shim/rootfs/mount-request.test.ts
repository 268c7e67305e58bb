import { expect } from "chai";
import type { MountRequest } from "../../runtime/native/binding.ts";
import { parseMount, type RootfsMount, splitLayers, splitOption } from "./mount-request.ts";

const RDONLY = 0x1;
const NOSUID = 0x2;
const NODEV = 0x4;
const NOEXEC = 0x8;
const NOATIME = 0x10;
const ATIME = 0x70;
const NODIRATIME = 0x80;

function kernel(mount: Partial<RootfsMount>): MountRequest {
  const parsed = parseMount(
    { type: "ext4", source: "/dev/x", target: "", options: [], ...mount },
    "/r",
  );
  if (parsed.by !== "kernel") throw new Error("not the kernel's");
  return parsed.request;
}

/** Options, and what of the request they change. */
const table: readonly (readonly [string, readonly string[], Partial<MountRequest>])[] = [
  ["nothing", [], { kind: "new", set: 0, options: [] }],
  ["defaults", ["defaults", "rw"], { set: 0, options: [] }],
  ["flags", ["ro", "nosuid", "nodev", "noexec"], { set: RDONLY | NOSUID | NODEV | NOEXEC }],
  ["the last of opposites", ["ro", "rw", "nosuid", "suid", "exec", "noexec"], { set: NOEXEC }],
  ["access times", ["noatime", "nodiratime"], { set: NOATIME | NODIRATIME }],
  ["superblock flags", ["dirsync", "sync", "async"], { superFlags: ["dirsync", "async"] }],
  ["data", ["size=1m", "huge"], { options: ["size=1m", "huge"] }],
  ["names of runtime-spec only", ["tmpcopyup", "idmap"], { options: ["tmpcopyup", "idmap"] }],
  ["a bind", ["bind"], { kind: "bind" }],
  [
    "a bind's own flags",
    ["rbind", "rw", "dev", "nosuid"],
    { kind: "rbind", set: NOSUID, clear: 0 },
  ],
  ["a bind's access times", ["bind", "noatime"], { kind: "bind", set: NOATIME, clear: ATIME }],
  ["a bind has no data", ["bind", "sync", "a=b"], { kind: "bind", options: [], superFlags: [] }],
  ["what is below a bind", ["rbind", "rro"], { kind: "rbind", set: 0, setBelow: RDONLY }],
  [
    "a remount",
    ["remount", "ro", "size=2m"],
    { kind: "remount", set: RDONLY, options: ["size=2m"] },
  ],
  ["a bind's remount", ["remount", "bind", "rw"], { kind: "remountBind", set: 0, clear: RDONLY }],
  ["propagation", ["bind", "rslave", "shared"], { propagation: [0x84000, 0x100000] }],
  ["a loop device", ["loop", "direct-io", "ro"], { loop: true, directIo: true, set: RDONLY }],
  ["direct-io of a file system", ["direct-io"], { loop: false, options: ["direct-io"] }],
  [
    "id maps",
    ["uidmap=0:1000:1,1:5000:9", "gidmap=0:7:4294967295"],
    { uidMap: "0 1000 1\n1 5000 9", gidMap: "0 7 4294967295" },
  ],
  [
    "a label with categories",
    ['context="system_u:object_r:container_file_t:s0:c1,c2"'],
    { options: ["context=system_u:object_r:container_file_t:s0:c1,c2"] },
  ],
];

describe("shim rootfs mount request", () => {
  for (const [what, options, expected] of table) {
    it(`parses ${what}`, () => {
      expect(kernel({ options })).to.deep.include(expected);
    });
  }

  it("splits the layers of overlay, and only of overlay", () => {
    const options = [
      "index=off",
      "workdir=/w",
      "upperdir=/u",
      "lowerdir=/a:/b\\:c::/d",
      "userxattr",
    ];
    expect(kernel({ type: "overlay", options })).to.deep.include({
      layers: ["/a", "/b:c"],
      dataLayers: ["/d"],
      options: ["index=off", "workdir=/w", "upperdir=/u", "userxattr"],
    });
    expect(kernel({ type: "fuse", options: ["lowerdir=/a:/b"] })).to.deep.include({
      layers: [],
      options: ["lowerdir=/a:/b"],
    });
  });

  it("leaves fuse types to helpers", () => {
    const mount = { source: "s", target: "", options: [] };
    expect(parseMount({ ...mount, type: "fuse3.overlay" }, "/r")).to.deep.equal({
      by: "helper",
      helper: "mount.fuse3",
      type: "overlay",
    });
    expect(parseMount({ ...mount, type: "fuse.a.b" }, "/r")).to.deep.equal({
      by: "helper",
      helper: "mount.fuse",
      type: "a.b",
    });
    expect(kernel({ type: "fuse" }).type).to.equal("fuse");
  });

  it("refuses what containerd's mount manager should have done", () => {
    expect(() => kernel({ options: ["rw", "X-containerd.mkfs.fs=ext4"] })).to.throw(
      "mount option X-containerd.mkfs.fs=ext4 is not for the runtime",
    );
    expect(() => kernel({ type: "format/overlay" })).to.throw("mount type format/overlay");
  });

  it("refuses half and malformed id maps", () => {
    expect(() => kernel({ options: ["uidmap=0:1:2"] })).to.throw("both uidmap and gidmap");
    for (const value of ["", "0:1", "0:1:2:3", "a:1:2", "0:-1:2", "0:1:4294967296", "0:1:2,"]) {
      expect(() => kernel({ options: [`uidmap=${value}`, "gidmap=0:0:1"] })).to.throw(
        `mount option uidmap=${value}: not container:host:size`,
      );
    }
  });

  it("splits entries at commas that are neither quoted nor escaped", () => {
    expect(splitOption('a=1,b="x,y",c=\\,d,,e\\\\,f')).to.deep.equal([
      "a=1",
      "b=x,y",
      "c=\\,d",
      "e\\\\",
      "f",
    ]);
    expect(splitOption("")).to.deep.equal([]);
    expect(splitOption("a\\")).to.deep.equal(["a\\"]);
  });

  it("splits layers", () => {
    expect(splitLayers("a:b\\,c:d\\\\:e")).to.deep.equal({
      layers: ["a", "b,c", "d\\", "e"],
      dataLayers: [],
    });
    expect(splitLayers("a::b::c")).to.deep.equal({ layers: ["a"], dataLayers: ["b", "c"] });
  });
});
