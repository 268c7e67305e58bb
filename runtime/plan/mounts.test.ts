import { expect } from "chai";
import type { Mount } from "../../schemas/generated/config.ts";
import { RuntimeError } from "../base/errors.ts";
import { MOUNT_ATTR } from "../spec/mount-flags.ts";
import { containerMapping } from "./id-mapped-mounts.ts";
import { addMounts, newSourceOpener, prepareMounts } from "./mounts.ts";
import { planNamespaces } from "./namespaces.ts";
import { newPlanBuilder } from "./plan.ts";

const cgroups = { mode: "v2", hierarchies: [], namespaced: true } as const;

const namespaces = planNamespaces([{ type: "mount" }, { type: "pid" }], []);

function opsOf(...mounts: Mount[]) {
  const builder = newPlanBuilder();
  const prepared = prepareMounts(builder, { mounts, namespaces, label: undefined });
  const open = newSourceOpener(builder, "/bundle", containerMapping({}, -1), false);
  addMounts(builder, prepared, cgroups, open);
  return builder.ops;
}

function problemOf(mount: Mount): string {
  try {
    opsOf(mount);
  } catch (error) {
    if (error instanceof RuntimeError && error.code === "InvalidArgument") return error.message;
    throw error;
  }
  return "";
}

describe("mounts", () => {
  it("opens relative bind sources below the bundle", () => {
    const [open] = opsOf({ destination: "/data", source: "data", options: ["rbind"] });
    expect(open).to.include({ op: "openTree", path: "/bundle/data", recursive: 1 });
  });

  it("opens a bind source when its turn has come, so that mounts are made in the config's order", () => {
    const ops = opsOf(
      { destination: "/tmp", type: "tmpfs", source: "tmpfs" },
      { destination: "/data", source: "/srv", options: ["bind"] },
    );
    const names = ["openDetached", "attach", "openTree", "attach"];
    expect(ops.map(({ op }) => op)).to.deep.equal(names);
  });

  it("sets the attributes of a bind before it is attached", () => {
    const ops = opsOf({ destination: "/data", source: "/srv", options: ["bind", "ro", "nosuid"] });
    const set = MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID;
    expect(ops.map(({ op }) => op)).to.deep.equal(["openTree", "setMountAttributes", "attach"]);
    expect(ops[1]).to.include({ set, recursive: 0 });
  });

  it("sets recursive attributes for the whole tree", () => {
    const ops = opsOf({ destination: "/data", source: "/srv", options: ["rbind", "rro"] });
    expect(ops[1]).to.include({ set: MOUNT_ATTR.RDONLY, recursive: 1 });
  });

  it("changes a mount that is there, and never the file system behind a bind", () => {
    const change = (options: string[]) =>
      opsOf({
        destination: "/shm",
        type: "tmpfs",
        source: "shm",
        options: ["remount", ...options],
      });
    expect(change(["size=1m", "sync", "ro"])).to.deep.equal([
      {
        op: "remount",
        target: "/shm",
        options: ["sync", "size=1m"],
        set: MOUNT_ATTR.RDONLY,
        clear: 0n,
        recursiveSet: 0n,
        recursiveClear: 0n,
      },
    ]);
    expect(change(["bind", "sync", "rnosuid"])[0]).to.deep.include({
      options: [],
      recursiveSet: MOUNT_ATTR.NOSUID,
    });
  });

  it("makes a tmpfs read-only after it has its content", () => {
    const ops = opsOf({
      destination: "/run",
      type: "tmpfs",
      source: "tmpfs",
      options: ["ro", "tmpcopyup"],
    });
    expect(ops.map(({ op }) => op)).to.deep.equal(["openDetached", "attach", "setMountAttributes"]);
    expect(ops[0]).to.include({ attributes: 0n });
    expect(ops[1]).to.include({ copyUp: 1, coveredMode: 1 });
  });

  it("gives a tmpfs the mode of what it covers, unless the config says one", () => {
    const tmpfs = { destination: "/run", type: "tmpfs", source: "tmpfs" };
    expect(opsOf(tmpfs)[1]).to.include({ coveredMode: 1 });
    expect(opsOf({ ...tmpfs, options: ["mode=755"] })[1]).to.include({ coveredMode: 0 });
  });

  it("wants real directories for /proc and /sys (CVE-2019-19921)", () => {
    expect(opsOf({ destination: "/proc", type: "proc", source: "proc" })[1]).to.include({
      strict: 1,
    });
    expect(opsOf({ destination: "/x", type: "sysfs", source: "sysfs" })[1]).to.include({
      strict: 1,
    });
    expect(opsOf({ destination: "/x", type: "tmpfs", source: "tmpfs" })[1]).to.include({
      strict: 0,
    });
  });

  it("refuses what would redirect our own writes to /proc (CVE-2019-16884)", () => {
    for (const destination of ["/proc/self/attr", "/x/../proc/1", "//proc/sys"]) {
      expect(problemOf({ destination, source: "/srv", options: ["bind"] })).to.match(
        /inside \/proc/,
      );
    }
    expect(problemOf({ destination: "/proc", type: "tmpfs", source: "tmpfs" })).to.match(
      /inside \/proc/,
    );
    expect(
      problemOf({ destination: "/proc/cpuinfo", source: "/lxcfs", options: ["bind"] }),
    ).to.equal("");
  });

  it("refuses a mount over the root or without a type", () => {
    expect(problemOf({ destination: "/..", type: "tmpfs" })).to.match(/is the root itself/);
    expect(problemOf({ destination: "/x", source: "/s" })).to.match(/neither a type nor/);
  });

  it("sets propagation after the mount is in its place", () => {
    const ops = opsOf({ destination: "/x", source: "/s", options: ["rbind", "rshared"] });
    expect(ops.map(({ op }) => op)).to.deep.equal(["openTree", "attach", "setMountAttributes"]);
    expect(ops[2]).to.include({ propagation: 1n << 20n, recursive: 1 });
  });
});
