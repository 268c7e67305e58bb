/** Mount propagation of single mounts and of the root (linux.rootfsPropagation): what crosses to the host and back. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { type Config, ownRootfs } from "../harness/bundle.ts";
import { type Container, runReport, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { propagateOnHost, tmpfsOnHost, unmountAll } from "../harness/host-mounts.ts";
import { mountsUnder } from "../harness/processes.ts";
import { scratchDirectory } from "../harness/scratch.ts";

/** A tmpfs of the host with an empty directory in it, which propagates its mounts. */
function sharedTree(): string {
  const path = scratchDirectory("tree");
  tmpfsOnHost(path);
  propagateOnHost(path, "shared");
  mkdirSync(`${path}/host`);
  mkdirSync(`${path}/inner`);
  return path;
}

/** A running container that may mount. */
function mounter(edit: (config: Config) => void): Container {
  return sleeper((config) => {
    for (const set of ["bounding", "effective", "permitted"] as const)
      config.process.capabilities?.[set]?.push("CAP_SYS_ADMIN");
    edit(config);
  }).up();
}

/** Mounts on the host below the tree, with a file that shows whether the container sees it. */
function mountOnHost(path: string): void {
  tmpfsOnHost(path);
  writeFileSync(`${path}/marker`, "");
}

function sees(c: Container, directory: string): boolean {
  return c.exec(["/bin/ls", directory]).ok().stdout.includes("marker");
}

interface Crossing {
  option: string;
  intoContainer: boolean;
  outToHost: boolean;
}

const crossings: readonly Crossing[] = [
  { option: "private", intoContainer: false, outToHost: false },
  { option: "rprivate", intoContainer: false, outToHost: false },
  { option: "slave", intoContainer: true, outToHost: false },
  { option: "rslave", intoContainer: true, outToHost: false },
  { option: "shared", intoContainer: true, outToHost: true },
  { option: "rshared", intoContainer: true, outToHost: true },
];

describe("propagation of a bind mount", () => {
  afterEach(unmountAll);

  for (const { option, intoContainer, outToHost } of crossings) {
    it(`${option}: ${intoContainer ? "in" : "not in"}, ${outToHost ? "out" : "not out"}`, () => {
      const tree = sharedTree();
      const c = mounter((config) => {
        // The root's own propagation must let a shared mount stay so.
        config.linux["rootfsPropagation"] = option.replace(/^r/, "");
        config.mounts.push({ destination: "/data", source: tree, options: ["rbind", option] });
      });
      mountOnHost(`${tree}/host`);
      expect(sees(c, "/data/host"), "host's mount in the container").to.equal(intoContainer);
      const made = c.exec(["/probe", "mount-tmpfs", "/data/inner"]).ok().stdout;
      expect(made).to.include('"errno":null');
      const crossed = mountsUnder(`${tree}/inner`).length > 0;
      expect(crossed, "container's mount on the host").to.equal(outToHost);
    });
  }

  it("is private without an option", () => {
    const tree = sharedTree();
    const c = mounter((config) => {
      config.mounts.push({ destination: "/data", source: tree, options: ["rbind"] });
    });
    c.exec(["/probe", "mount-tmpfs", "/data/inner"]).ok();
    expect(mountsUnder(`${tree}/inner`)).to.deep.equal([]);
  });

  it("unbindable is marked as such", () => {
    const tree = sharedTree();
    const report = runReport((config) => {
      config.mounts.push({ destination: "/data", source: tree, options: ["bind", "unbindable"] });
    });
    const entry = report.mounts.find(({ target }) => target === "/data");
    expect(entry?.propagation).to.deep.equal(["unbindable"]);
  });
});

describe("linux.rootfsPropagation", () => {
  afterEach(unmountAll);

  /** A container whose root lies on a mount that the host shares. */
  function rooted(propagation: string | undefined): { tree: string; c: Container } {
    const tree = sharedTree();
    const c = mounter((config) => {
      ownRootfs(config, tree);
      if (propagation !== undefined) config.linux["rootfsPropagation"] = propagation;
    });
    return { tree, c };
  }

  for (const [propagation, into] of [
    ["private", false],
    ["rprivate", false],
    ["rslave", true],
  ] as const) {
    it(`${propagation}: mounts of the host ${into ? "come" : "do not come"} in, none goes out`, () => {
      const { tree, c } = rooted(propagation);
      mountOnHost(`${tree}/rootfs/home`);
      expect(sees(c, "/home"), "host's mount in the container").to.equal(into);
      c.exec(["/probe", "mount-tmpfs", "/mnt"]).ok();
      expect(mountsUnder(`${tree}/rootfs/mnt`)).to.deep.equal([]);
    });
  }

  it("slave: no mount goes out", () => {
    const { tree, c } = rooted("slave");
    c.exec(["/probe", "mount-tmpfs", "/mnt"]).ok();
    expect(mountsUnder(`${tree}/rootfs/mnt`)).to.deep.equal([]);
  });

  for (const [propagation, mark] of [
    ["shared", "shared:"],
    ["unbindable", "unbindable"],
  ] as const) {
    it(
      `${propagation} is what the root is marked as`,
      known("runc <1.3.1", "set before pivot_root and lost (fixed in 1.3.1)", () => {
        const { c } = rooted(propagation);
        const root = c.execReport([], "mounts").mounts.find(({ target }) => target === "/");
        expect(root?.propagation.some((field) => field.startsWith(mark))).to.equal(true);
      }),
    );
  }

  it("by default nothing of the container comes out", () => {
    const { tree, c } = rooted(undefined);
    c.exec(["/probe", "mount-tmpfs", "/mnt"]).ok();
    expect(mountsUnder(`${tree}/rootfs/mnt`)).to.deep.equal([]);
  });

  it("no mount of the container's set-up comes out, shared or not", () => {
    for (const propagation of ["shared", "slave", undefined]) {
      const { tree } = rooted(propagation);
      expect(mountsUnder(`${tree}/rootfs`), String(propagation)).to.deep.equal([]);
    }
  });

  it("an unknown value is refused", () => {
    const c = sleeper((config) => {
      config.linux["rootfsPropagation"] = "rshred";
    });
    c.create().fails(/rootfsPropagation|rshred/i);
  });

  it("leaves the root's directory empty of mounts after the end", async () => {
    const { tree, c } = rooted("shared");
    c.kill("KILL").ok();
    await c.reaches("stopped");
    c.delete().ok();
    expect(mountsUnder(tree)).to.deep.equal([tree]);
    expect(readdirSync(tree)).to.include("rootfs");
  });
});
