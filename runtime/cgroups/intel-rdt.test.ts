import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { joinRdtGroup, makeRdtGroup, rdtGroup, removeRdtGroup, schemataOf } from "./intel-rdt.ts";

describe("Intel RDT", () => {
  let root: string;
  let mounts: string;

  beforeEach(() => {
    root = mkdtempSync(`${tmpdir()}/resctrl-`);
    mounts = `1 2 0:1 / /proc rw - proc proc rw\n3 2 0:4 / ${root} rw - resctrl resctrl rw\n`;
    mkdirSync(`${root}/gold/mon_groups`, { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it("is an error where resctrl is not mounted", () => {
    expect(() => rdtGroup({}, "c1", "1 2 0:1 / /proc rw - proc proc rw\n")).to.throw(
      /intelRdt is specified in config, but .* not mounted/,
    );
  });

  it("gives a container a class of its own, the named one, or the default one", () => {
    const schemata = ["L3:0=f"];
    expect(rdtGroup({ schemata }, "c1", mounts)).to.deep.equal({
      directory: `${root}/c1`,
      own: true,
    });
    expect(rdtGroup({ closID: "gold" }, "c1", mounts)).to.deep.equal({
      directory: `${root}/gold`,
      own: false,
    });
    const group = rdtGroup({ closID: "/", enableMonitoring: true }, "c1", mounts);
    expect(group).to.deep.equal({
      directory: root,
      own: false,
      monitoring: `${root}/mon_groups/c1`,
    });
  });

  it("joins a named class without schemata only when it exists", () => {
    expect(() => rdtGroup({ closID: "silver" }, "c1", mounts)).to.throw(/"silver" does not exist/);
    expect(rdtGroup({ closID: "silver", schemata: ["MB:0=50"] }, "c1", mounts).own).to.equal(false);
  });

  it("orders schemata: cache, bandwidth, the rest", () => {
    const config = {
      l3CacheSchema: "L3:0=f\nMB:0=10",
      memBwSchema: "MB:0=20",
      schemata: ["L2:0=3"],
    };
    expect(schemataOf(config)).to.equal("L3:0=f\nMB:0=20\nL2:0=3\n");
    expect(schemataOf({})).to.equal("");
  });

  it("makes, joins and removes", () => {
    const config = { closID: "gold", schemata: ["L3:0=f"], enableMonitoring: true };
    const group = rdtGroup(config, "c1", mounts);
    makeRdtGroup(group, config);
    expect(readFileSync(`${root}/gold/schemata`, "utf8")).to.equal("L3:0=f\n");
    joinRdtGroup(group, 42);
    for (const directory of [group.directory, group.monitoring])
      expect(readFileSync(`${directory}/tasks`, "utf8")).to.equal("42");
    rmSync(`${group.monitoring}/tasks`);
    removeRdtGroup(group);
    removeRdtGroup(group);
    expect(existsSync(`${root}/gold/mon_groups/c1`)).to.equal(false);
    expect(existsSync(`${root}/gold`)).to.equal(true);
  });

  it("removes a class that is the container's own", () => {
    const group = rdtGroup({}, "c1", mounts);
    makeRdtGroup(group, {});
    expect(existsSync(group.directory)).to.equal(true);
    removeRdtGroup(group);
    expect(existsSync(group.directory)).to.equal(false);
  });

  it("names the file that refuses", () => {
    writeFileSync(`${root}/file`, "");
    const group = { directory: `${root}/file/x`, own: true };
    expect(() => makeRdtGroup(group, {})).to.throw(/make RDT group.*file\/x/);
  });
});
