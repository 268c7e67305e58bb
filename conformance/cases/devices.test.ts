/** Device nodes: the default set, linux.devices, the links in /dev, and what the device cgroup lets a container use. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { type Config, ownRootfs } from "../harness/bundle.ts";
import { container, runActions, runReport } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";
import type { DeviceEntry } from "../harness/probe.ts";
import { cgroupDirectory, readOrEmpty } from "../harness/processes.ts";
import { requires } from "../harness/requires.ts";

interface Device {
  path: string;
  type: string;
  major?: number;
  minor?: number;
  fileMode?: number;
  uid?: number;
  gid?: number;
}

function devicesOf(config: Config, ...devices: Device[]): void {
  config.linux["devices"] = devices;
}

function entry(name: string, edit?: (config: Config) => void): DeviceEntry | undefined {
  return runReport(edit).dev.find((one) => one.name === name);
}

function refused(...devices: Device[]): void {
  const c = container((config) => devicesOf(config, ...devices));
  c.run().fails();
  expect(traces(c.id)).to.deep.equal([]);
}

describe("default devices", () => {
  const numbers = {
    null: [1, 3],
    zero: [1, 5],
    full: [1, 7],
    random: [1, 8],
    urandom: [1, 9],
    tty: [5, 0],
  } as const;

  it("are there with their numbers, mode 0666 and owner root", function () {
    requires({ root: true }).call(this);
    const { dev } = runReport();
    for (const [name, [major, minor]] of Object.entries(numbers)) {
      const found = dev.find((one) => one.name === name);
      const seen = [found?.type, found?.major, found?.minor, found?.mode, found?.uid, found?.gid];
      expect(seen, name).to.deep.equal(["char", major, minor, 0o666, 0, 0]);
    }
  });

  it("have these modes whatever the caller's umask", () => {
    const wrapper = ["/bin/sh", "-c", 'umask 077; exec "$@"', "sh"];
    const c = container((config) => {
      config.process.args = ["/bin/sh", "-c", "stat -c %a /dev/null /dev /dev/shm"];
    });
    const { stdout } = c.run([], { wrapper }).ok();
    expect(stdout).to.equal("666\n755\n1777\n");
  });

  it("can be used", () => {
    const paths = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
    const actions = paths.flatMap((path) => ["open", path, "rw", "+"]);
    const outcomes = runActions([...actions, "write", "/dev/full"]);
    expect(outcomes.map(({ errno }) => errno)).to.deep.equal([...paths.map(() => null), "ENOSPC"]);
  });

  it("links lead to the process's own descriptors and the container's ptmx", () => {
    const { dev } = runReport();
    const links = Object.fromEntries(dev.map(({ name, link }) => [name, link]));
    expect(links["fd"]).to.equal("/proc/self/fd");
    expect(links["stdin"]).to.equal("/proc/self/fd/0");
    expect(links["stdout"]).to.equal("/proc/self/fd/1");
    expect(links["stderr"]).to.equal("/proc/self/fd/2");
    expect(links["ptmx"]).to.match(/^(\/dev\/)?pts\/ptmx$/);
  });

  it("there is nothing else", () => {
    const names = runReport().dev.map(({ name }) => name);
    const links = ["fd", "stdin", "stdout", "stderr", "ptmx", "core"];
    const usual = [...Object.keys(numbers), ...links, "pts", "shm", "mqueue", "console"];
    expect(names.filter((name) => !usual.includes(name))).to.deep.equal([]);
  });

  it("are not made when /dev is a bind mount", function () {
    requires({ root: true }).call(this);
    const c = container((config) => {
      config.mounts = config.mounts.filter(({ destination }) => !destination.startsWith("/dev"));
      config.mounts.push({ destination: "/dev", source: "dev", options: ["bind"] });
      config.process.args = ["/bin/ls", "/dev"];
    });
    mkdirSync(`${c.bundle.path}/dev`);
    // The one that a runtime needs itself.
    execFileSync("mknod", ["-m", "666", `${c.bundle.path}/dev/null`, "c", "1", "3"]);
    expect(c.run().ok().stdout).to.equal("null\n");
  });
});

describe("linux.devices", () => {
  // Nobody else can make device nodes.
  before(requires({ root: true }));

  it("makes a character device with mode and owner", () => {
    const device = { path: "/dev/fuse", type: "c", major: 10, minor: 229 };
    const found = entry("fuse", (config) =>
      devicesOf(config, { ...device, fileMode: 0o640, uid: 7, gid: 8 }),
    );
    expect(found).to.include({ type: "char", major: 10, minor: 229, mode: 0o640, uid: 7, gid: 8 });
  });

  it("makes a block device", () => {
    const device = { path: "/dev/disk", type: "b", major: 7, minor: 250, fileMode: 0o600 };
    const found = entry("disk", (config) => devicesOf(config, device));
    expect(found).to.include({ type: "block", major: 7, minor: 250, mode: 0o600 });
  });

  it("makes a fifo", () => {
    const found = entry("pipe", (config) =>
      devicesOf(config, { path: "/dev/pipe", type: "p", fileMode: 0o622 }),
    );
    expect(found).to.include({ type: "fifo", mode: 0o622 });
  });

  it("u is the same as c", () => {
    const found = entry("raw", (config) =>
      devicesOf(config, { path: "/dev/raw", type: "u", major: 1, minor: 3, fileMode: 0o666 }),
    );
    expect(found).to.include({ type: "char", major: 1, minor: 3 });
  });

  it("makes missing directories and keeps big numbers", () => {
    const c = container((config) => {
      const device = { path: "/dev/a/b/c", type: "c", major: 511, minor: 1_048_575 };
      devicesOf(config, device);
      config.process.args = ["/bin/stat", "-c", "%t:%T", "/dev/a/b/c"];
    });
    expect(c.run().ok().stdout).to.equal("1ff:fffff\n");
  });

  it("makes devices outside of /dev too", () => {
    const c = container((config) => {
      ownRootfs(config);
      devicesOf(config, { path: "/var/lib/null", type: "c", major: 1, minor: 3, fileMode: 0o666 });
      config.process.args = ["/probe", "open", "/var/lib/null", "rw"];
    });
    expect(c.run().ok().stdout).to.include('"errno":null');
  });

  it("may name a default device again", () => {
    const device = { path: "/dev/full", type: "c", major: 1, minor: 7, fileMode: 0o600, uid: 1 };
    const found = entry("full", (config) => devicesOf(config, device));
    expect(found).to.include({ type: "char", major: 1, minor: 7, mode: 0o600, uid: 1 });
  });
});

describe("devices that must be refused", () => {
  it(
    "a path where something of another type is",
    known(
      "runc",
      "overwrites or keeps it silently; config-linux.md, Devices: MUST be an error",
      () => {
        for (const found of ["file", "dir"] as const) {
          const c = container((config) => {
            const root = ownRootfs(config);
            if (found === "file") writeFileSync(`${root}/var/node`, "keep");
            else mkdirSync(`${root}/var/node`);
            devicesOf(config, { path: "/var/node", type: "c", major: 1, minor: 3 });
          });
          c.run().fails(/\/var\/node/);
        }
      },
    ),
  );

  it("an unknown type", () => {
    refused({ path: "/dev/x", type: "z", major: 1, minor: 3 });
  });

  it(
    "a c or b without numbers",
    known("runc", "missing numbers count as 0; config-linux.md, Devices: REQUIRED", () => {
      refused({ path: "/dev/x", type: "c" });
    }),
  );

  it(
    "a relative path",
    known("runc", "taken from the root", () => {
      refused({ path: "dev/x", type: "c", major: 1, minor: 3 });
    }),
  );
});

describe("device access", () => {
  before(requires({ root: true }));

  /** mknod in /dev (no nodev there): result 1 is made, 2 is made and opened. */
  function use(edit: ((config: Config) => void) | undefined, ...numbers: string[]) {
    const [outcome] = runActions(["mknod", "/dev/try", ...numbers], edit);
    return [outcome?.result, outcome?.errno];
  }

  it("without a rule: nodes can be made, only the default ones opened", () => {
    expect(use(undefined, "c", "1", "3")).to.deep.equal([2, null]);
    expect(use(undefined, "c", "10", "1")).to.deep.equal([1, "EPERM"]);
    expect(use(undefined, "b", "7", "0")).to.deep.equal([1, "EPERM"]);
  });

  it("a rule opens a device", () => {
    const edit = (config: Config) => {
      const rules = config.linux.resources["devices"] as unknown[];
      rules.push({ allow: true, type: "c", major: 10, minor: 229, access: "rw" });
    };
    expect(use(edit, "c", "10", "229")[1]).to.not.equal("EPERM");
    expect(use(edit, "c", "10", "228")).to.deep.equal([1, "EPERM"]);
  });

  it("a later rule takes an earlier one back", () => {
    const edit = (config: Config) => {
      const rules = config.linux.resources["devices"] as unknown[];
      rules.push({ allow: true, type: "c", major: 10, access: "rwm" });
      rules.push({ allow: false, type: "c", major: 10, access: "rwm" });
    };
    expect(use(edit, "c", "10", "229")[1]).to.equal("EPERM");
  });

  it("a device of the config is not opened by being listed", () => {
    const [outcome] = runActions(["open", "/dev/disk"], (config) =>
      devicesOf(config, { path: "/dev/disk", type: "b", major: 7, minor: 0 }),
    );
    expect(outcome?.errno).to.equal("EPERM");
  });

  it("v1: devices.list is the default set and the rules", function () {
    requires({ cgroup: "v1" }).call(this);
    const c = container((config) => {
      config.process.args = ["/probe", "sleep"];
      const rules = config.linux.resources["devices"] as unknown[];
      rules.push({ allow: true, type: "b", major: 7, minor: 3, access: "r" });
    }).up();
    const list = readOrEmpty(`${cgroupDirectory(c.state().pid, "devices")}/devices.list`);
    const rows = list.trim().split("\n");
    const wanted = ["c *:* m", "b *:* m", "c 1:3 rwm", "c 5:0 rwm", "c 136:* rwm", "b 7:3 r"];
    expect(rows).to.include.members(wanted);
    expect(list).to.not.include("a *:*");
  });
});
