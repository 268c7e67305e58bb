import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { expect } from "chai";
import { mountRootfs, type RootfsMount } from "./mounts.ts";
import { describeMounts, type MountRig, startMountRig } from "./test-rig.ts";
import { unmountRootfs } from "./unmount.ts";

function mountOf(type: string, source: string, options: string[], target = ""): RootfsMount {
  return { type, source, target, options };
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("it did not fail");
}

const maps = ["uidmap=0:100000:65536", "gidmap=0:200000:65536"];

describeMounts("shim rootfs mounts", function () {
  this.timeout(20_000);
  let rig: MountRig;

  beforeEach(() => {
    rig = startMountRig();
  });

  afterEach(() => {
    rig.end();
  });

  /** Layers with one file each, the first on top; `length` is that of each path. */
  function layers(count: number, length = 0): string[] {
    return Array.from({ length: count }, (_, index) => {
      const name = `layer-${index}`;
      const room = Math.max(length - rig.directory.length - name.length - 2, 0);
      const parent = "x".repeat(Math.min(room, 200));
      const rest = room > 200 ? `/${"y".repeat(room - 201)}` : "";
      const path = parent === "" ? name : `${parent}${rest}/${name}`;
      return rig.make(path, { [`file-${index}`]: `${index}` });
    });
  }

  function overlay(lower: readonly string[], ...more: string[]): RootfsMount {
    const upper = rig.make("upper");
    const work = rig.make("work");
    const options = [`workdir=${work}`, `upperdir=${upper}`, `lowerdir=${lower.join(":")}`];
    return mountOf("overlay", "overlay", [...options, "index=off", ...more]);
  }

  const ways: Readonly<Record<string, (mount: RootfsMount) => Promise<void>>> = {
    "the new calls": (mount) => mountRootfs(rig.env, [mount], rig.rootfs),
    "mount(2) alone": (mount) => rig.mountClassic(mount),
  };

  for (const [way, mountBy] of Object.entries(ways)) {
    describe(`by ${way}`, () => {
      it("makes an overlay that tools find the layers of", async () => {
        const lower = layers(3);
        await mountBy(overlay(lower));
        expect(fs.readdirSync(rig.rootfs).sort()).to.deep.equal(["file-0", "file-1", "file-2"]);
        expect(rig.mounted().join()).to.contain(`lowerdir=${lower.join(":")}`);
        fs.writeFileSync(`${rig.rootfs}/new`, "");
        expect(fs.readdirSync(`${rig.directory}/upper`)).to.deep.equal(["new"]);
      });

      it("makes an overlay of 120 layers", async () => {
        await mountBy(overlay(layers(120)));
        expect(fs.readdirSync(rig.rootfs)).to.have.length(120);
      });

      it("makes an overlay of 120 layers with paths of 300 characters", async () => {
        const lower = layers(120, 300);
        expect(lower[0]).to.have.length(300);
        await mountBy(overlay(lower));
        expect(fs.readdirSync(rig.rootfs)).to.have.length(120);
        await unmountRootfs(rig.env, rig.rootfs);
        expect(rig.mounted()).to.deep.equal([]);
      });

      it("takes colons, commas and backslashes in names of layers", async () => {
        const names = ["a:b", "c,d", "e\\f"];
        const lower = names.map((name) => rig.make(name, { [name]: "" }));
        const escaped = lower.map((path) => path.replaceAll(/[:,\\]/g, "\\$&"));
        await mountBy(overlay(escaped));
        expect(fs.readdirSync(rig.rootfs).sort()).to.deep.equal(names);
      });

      it("makes a read-only bind of a single layer", async () => {
        const [layer = ""] = layers(1);
        await mountBy(mountOf("bind", layer, ["rbind", "ro"]));
        expect(fs.readFileSync(`${rig.rootfs}/file-0`, "utf8")).to.equal("0");
        expect(() => fs.writeFileSync(`${rig.rootfs}/x`, "")).to.throw("EROFS");
        fs.writeFileSync(`${layer}/x`, "");
      });

      it("keeps what the source of a bind is mounted with", async () => {
        const source = rig.make("source");
        execFileSync("mount", ["-t", "tmpfs", "-o", "nosuid,nodev,noexec", "none", source]);
        await mountBy(mountOf("bind", source, ["rbind", "ro"]));
        const line = rig.mounted().find((text) => text.includes("/rootfs "));
        expect(line).to.match(/ ro,nosuid,nodev,noexec,/);
      });

      it("makes a tmpfs with its options and flags", async () => {
        await mountBy(mountOf("tmpfs", "tmpfs", ["size=1m,mode=751", "nosuid", "noatime"]));
        expect(rig.mounted().join()).to.match(/ rw,nosuid,noatime .*- tmpfs tmpfs .*size=1024k/);
        expect(fs.statSync(rig.rootfs).mode & 0o777).to.equal(0o751);
      });

      it("maps the ids of a bind", async () => {
        const [layer = ""] = layers(1);
        await mountBy(mountOf("bind", layer, ["rbind", "ro", ...maps]));
        const { uid, gid } = fs.statSync(`${rig.rootfs}/file-0`);
        expect([uid, gid]).to.deep.equal([100000, 200000]);
        expect(() => fs.writeFileSync(`${rig.rootfs}/x`, "")).to.throw("EROFS");
        expect(rig.mounted()).to.have.length(1);
      });

      it("maps the ids of every layer of an overlay", async () => {
        const lower = layers(120, 300);
        await mountBy(overlay(lower, ...maps));
        for (const index of [0, 1, 119]) {
          const { uid, gid } = fs.statSync(`${rig.rootfs}/file-${index}`);
          expect([uid, gid]).to.deep.equal([100000, 200000]);
        }
        expect(rig.mounted()).to.have.length(1);
      });

      it("mounts images, and frees their loop devices", async function () {
        if (!fs.existsSync("/dev/loop-control")) this.skip();
        const image = `${rig.directory}/image`;
        execFileSync("truncate", ["-s", "16M", image]);
        execFileSync("mkfs.ext4", ["-q", image]);
        await mountBy(mountOf("ext4", image, ["loop", "ro"]));
        expect(fs.readdirSync(rig.rootfs)).to.deep.equal(["lost+found"]);
        expect(rig.mounted().join()).to.contain(" ro,relatime ");
        await unmountRootfs(rig.env, rig.rootfs);
        expect(execFileSync("losetup", ["-j", image], { encoding: "utf8" })).to.equal("");
      });

      it("changes propagation", async () => {
        await mountBy(mountOf("tmpfs", "tmpfs", ["shared"]));
        expect(rig.mounted().join()).to.contain("shared:");
      });
    });
  }

  it("makes the root 0711, and nothing at all without mounts", async () => {
    await mountRootfs(rig.env, [], rig.rootfs);
    expect(fs.existsSync(rig.rootfs)).to.equal(false);
    await mountRootfs(rig.env, [mountOf("tmpfs", "tmpfs", [])], rig.rootfs);
    await unmountRootfs(rig.env, rig.rootfs);
    expect(fs.statSync(rig.rootfs).mode & 0o777).to.equal(0o711);
  });

  it("looks targets up inside the root, links included", async () => {
    const layer = rig.make("layer");
    fs.mkdirSync(`${layer}/data`);
    fs.symlinkSync("/../../data", `${layer}/link`);
    await mountRootfs(
      rig.env,
      [mountOf("bind", layer, ["bind"]), mountOf("tmpfs", "tmpfs", [], "/link")],
      rig.rootfs,
    );
    expect(rig.mounted().at(-1)).to.contain(`${rig.rootfs}/data `);
  });

  it("remounts", async () => {
    await mountRootfs(
      rig.env,
      [
        mountOf("tmpfs", "tmpfs", ["size=1m"]),
        mountOf("tmpfs", "tmpfs", ["remount", "size=2m", "nosuid"]),
        mountOf("bind", "", ["remount", "bind", "ro"]),
      ],
      rig.rootfs,
    );
    expect(rig.mounted()).to.have.length(1);
    expect(rig.mounted()[0]).to.match(/ ro,.* - tmpfs tmpfs .*size=2048k/);
  });

  const failures: readonly (readonly [string, string, string[], RegExp])[] = [
    [
      "an unknown option",
      "overlay",
      ["lowerdir=/:/usr", "bogus"],
      /Unknown parameter 'bogus': EINVAL/,
    ],
    ["a bad value", "tmpfs", ["size=abc"], /tmpfs: Bad value for 'size': EINVAL/],
    ["a missing layer", "overlay", ["lowerdir=/:/nowhere"], /\/nowhere: ENOENT/],
    ["an unknown type", "nosuchfs", [], /fsopen: ENODEV \(no such device\)/],
    ["a missing source", "bind", ["bind"], /open_tree: ENOENT/],
    [
      "a refused option",
      "ext4",
      ["X-containerd.mkfs=1"],
      /X-containerd\.mkfs=1 is not for the runtime/,
    ],
  ];
  for (const [what, type, options, words] of failures) {
    it(`tells of ${what}, and takes back what was mounted`, async () => {
      const mounts = [mountOf("tmpfs", "tmpfs", []), mountOf(type, "/nowhere/at/all", options)];
      const error = await failureOf(mountRootfs(rig.env, mounts, rig.rootfs));
      expect(error.message).to.match(words);
      expect(error.message).to.match(
        /^mount 2 of 2 \(type \S+, source \/nowhere\/at\/all, target \/\): /,
      );
      expect(rig.mounted()).to.deep.equal([]);
    });
  }

  it("runs mount helpers for fuse types", async () => {
    const bin = rig.make("bin");
    const script = `#!/bin/sh\necho "$@" > ${bin}/args\nexec mount -t tmpfs "$1" "$2"\n`;
    fs.writeFileSync(`${bin}/mount.fuse3`, script, { mode: 0o755 });
    fs.writeFileSync(`${bin}/mount.fuse`, "#!/bin/sh\necho no luck >&2; exit 3\n", { mode: 0o755 });
    const path = process.env["PATH"];
    process.env["PATH"] = `${bin}:${path}`;
    try {
      const mount = mountOf("fuse3.snap", "src", ["ro", "lowerdir=/a:/b"]);
      await mountRootfs(rig.env, [mount], rig.rootfs);
      expect(fs.readFileSync(`${bin}/args`, "utf8")).to.equal(
        `src ${rig.rootfs} -o ro -o lowerdir=/a:/b -t snap\n`,
      );
      expect(rig.mounted()).to.have.length(1);
      await unmountRootfs(rig.env, rig.rootfs);
      const failing = mountRootfs(rig.env, [mountOf("fuse.snap", "src", [])], rig.rootfs);
      expect((await failureOf(failing)).message).to.contain("mount.fuse: exit status 3: no luck");
    } finally {
      process.env["PATH"] = path;
    }
  });
});
