/** Mount targets: what is made for them, links on the way, and destinations that must be refused. */
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { type MountConfig, ownRootfs } from "../harness/bundle.ts";
import { container, runReport, runShell } from "../harness/container.ts";
import { traces } from "../harness/leaks.ts";
import { scratchDirectory, scratchPath } from "../harness/scratch.ts";

/** A host directory with one file "name" in it. */
function directoryWith(name: string, text = name): string {
  const path = scratchDirectory("source");
  writeFileSync(`${path}/${name}`, text);
  return path;
}

describe("mount targets", () => {
  it("directories are made with their parents, mode 0755", () => {
    let root = "";
    runReport((config) => {
      root = ownRootfs(config);
      config.mounts.push({ destination: "/new/deep/er", type: "tmpfs", source: "t" });
    });
    for (const path of ["/new", "/new/deep", "/new/deep/er"]) {
      const { mode, uid } = statSync(root + path);
      expect([mode & 0o777, uid], path).to.deep.equal([0o755, process.getuid?.()]);
    }
  });

  it("a file is made for a file", () => {
    const source = `${directoryWith("file", "content")}/file`;
    let root = "";
    const text = runShell("cat /new/etc/file", (config) => {
      root = ownRootfs(config);
      config.mounts.push({ destination: "/new/etc/file", source, options: ["bind"] });
    });
    expect(text).to.equal("content");
    expect(statSync(`${root}/new/etc/file`).size).to.equal(0);
  });

  it("links are followed inside the root only", () => {
    let root = "";
    const source = directoryWith("seen");
    const text = runShell("ls /real/place /chain", (config) => {
      root = ownRootfs(config);
      mkdirSync(`${root}/real`);
      symlinkSync("/real", `${root}/absolute`);
      symlinkSync("../../../absolute/place", `${root}/chain`);
      config.mounts.push({ destination: "/chain", source, options: ["bind"] });
    });
    expect(text.match(/seen/g)).to.have.length(2);
  });

  it("a dangling link's target is made inside the root", () => {
    const outside = scratchPath("outside");
    let root = "";
    const text = runShell("ls /dangling/", (config) => {
      root = ownRootfs(config);
      symlinkSync(outside, `${root}/dangling`);
      config.mounts.push({
        destination: "/dangling",
        source: directoryWith("seen"),
        options: ["bind"],
      });
    });
    expect(text).to.equal("seen\n");
    expect(existsSync(outside)).to.equal(false);
  });

  it("'..' and doubled slashes stay inside", () => {
    const source = directoryWith("seen");
    const text = runShell("ls /mnt", (config) => {
      config.mounts.push({ destination: "/../..//etc/../mnt/.", source, options: ["bind"] });
    });
    expect(text).to.equal("seen\n");
  });

  it("a relative destination is refused or taken from the root, never from the bundle", () => {
    const c = container((config) => {
      config.mounts.push({ destination: "mnt", type: "tmpfs", source: "t" });
    });
    const result = c.run();
    // config.md asks for absolute ones; runc 1.1 warns and takes it from "/", as older engines need.
    if (result.status !== 0) result.fails(/mnt/);
    expect(readdirSync(c.bundle.path)).to.not.include("mnt");
  });
});

describe("mounts that must be refused", () => {
  function refused(mount: Partial<MountConfig>, pattern?: RegExp): void {
    const c = container((config) => {
      config.mounts.push({ destination: "/mnt", ...mount } as MountConfig);
    });
    c.run().fails(pattern);
    expect(traces(c.id)).to.deep.equal([]);
  }

  it("a source that does not exist, naming it", () => {
    refused({ source: "/nonexistent/source", options: ["bind"] }, /\/nonexistent\/source/);
  });

  it("a directory on a file and a file on a directory", () => {
    const source = directoryWith("file");
    refused({ destination: "/etc/passwd", source, options: ["bind"] });
    refused({ destination: "/etc", source: `${source}/file`, options: ["bind"] });
  });

  for (const destination of [
    "/proc/self",
    "/proc/1",
    "/proc/sys/kernel",
    "/proc/self/attr",
    "/proc/new",
  ])
    it(`a bind mount on ${destination}`, () => {
      const [type, options] = ["bind", ["bind"]];
      refused({ destination, type, source: scratchDirectory("fake"), options }, /proc/);
    });

  for (const [target, path] of [
    ["/proc/sys", "/link/kernel"],
    ["/proc", "/link/1/attr"],
  ] as const)
    it(`a bind mount on ${path} where /link leads to ${target}`, () => {
      const source = directoryWith("fake");
      const c = container((config) => {
        symlinkSync(target, `${ownRootfs(config)}/link`);
        config.mounts.push({ destination: path, source, options: ["bind"] });
      });
      c.run().fails(/proc/);
      expect(traces(c.id)).to.deep.equal([]);
    });

  it("a tmpfs on /proc in place of a proc", () => {
    const c = container((config) => {
      config.mounts = config.mounts.filter(({ destination }) => destination !== "/proc");
      config.mounts.unshift({ destination: "/proc", type: "tmpfs", source: "t" });
    });
    c.run().fails(/proc/);
    expect(traces(c.id)).to.deep.equal([]);
  });

  it("bind mounts on the files that containers may fake are allowed (lxcfs)", () => {
    const source = `${directoryWith("uptime", "1.00 1.00\n")}/uptime`;
    const text = runShell("cat /proc/uptime", (config) => {
      config.mounts.push({ destination: "/proc/uptime", source, options: ["bind", "ro"] });
    });
    expect(text).to.equal("1.00 1.00\n");
  });

  it("the root itself (opencontainers/runc#5070)", () => {
    refused({ destination: "/", source: scratchDirectory("root"), options: ["bind"] });
  });
});
