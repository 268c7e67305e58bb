/** linux.netDevices: interfaces of the host that move into the container (config-linux.md, network devices). */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { expect } from "chai";
import { type Config, withoutNamespace } from "../harness/bundle.ts";
import { container, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";
import { requires } from "../harness/requires.ts";

const since = "since 1.4";

interface Link {
  ifname: string;
  operstate: string;
  flags: string[];
  addr_info: { local: string; prefixlen: number; scope: string; broadcast?: string }[];
}

let serial = 0;
const made: string[] = [];

function ip(...args: string[]): string {
  return execFileSync("ip", args, { encoding: "utf8", stdio: "pipe" });
}

/** A veth pair; returns the name of the end to move. The other end, with an x, stays and takes both along when deleted. */
function interfacePair(...addresses: string[]): string {
  const name = `cfm${process.pid % 10_000}n${serial++}`;
  ip("link", "add", name, "type", "veth", "peer", "name", `${name}x`);
  made.push(`${name}x`);
  ip("link", "set", `${name}x`, "up");
  for (const address of addresses) ip("addr", "add", address, "dev", name);
  return name;
}

function onHost(name: string): boolean {
  return existsSync(`/sys/class/net/${name}`);
}

/** Where the other end has ended with its container, this one goes away at any moment. */
function removeFromHost(name: string): void {
  try {
    ip("link", "del", name);
  } catch (error) {
    if (!String(error).includes("Cannot find device")) throw error;
  }
}

/** What the container's network namespace holds. */
function linkOf(pid: number, name: string): Link | undefined {
  const text = execFileSync("nsenter", ["-t", String(pid), "-n", "ip", "-j", "addr"], {
    encoding: "utf8",
  });
  return (JSON.parse(text) as Link[]).find(({ ifname }) => ifname === name);
}

function addresses(link: Link | undefined): string[] {
  return (link?.addr_info ?? [])
    .filter(({ scope }) => scope === "global")
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
    .sort();
}

describe("linux.netDevices", () => {
  before(function () {
    requires({ program: "ip" }).call(this);
    requires({ program: "nsenter" }).call(this);
  });
  afterEach(() => {
    for (const name of made.splice(0)) removeFromHost(name);
  });

  it(
    "moves an interface and brings it up",
    known("runc <1.4", since, () => {
      const name = interfacePair();
      const c = sleeper((config) => {
        config.linux["netDevices"] = { [name]: {} };
      }).up();
      expect(onHost(name)).to.equal(false);
      expect(linkOf(c.state().pid, name)?.flags).to.include("UP");
    }),
  );

  it(
    "renames it on the way",
    known("runc <1.4", since, () => {
      const name = interfacePair();
      const c = sleeper((config) => {
        config.linux["netDevices"] = { [name]: { name: "inside0" } };
      }).up();
      expect(linkOf(c.state().pid, "inside0")?.flags).to.include("UP");
      expect(linkOf(c.state().pid, name)).to.equal(undefined);
    }),
  );

  it(
    "renames an interface that is up, and takes a name that is in use on the host",
    known("runc <1.4", since, () => {
      const name = interfacePair();
      const other = interfacePair();
      ip("link", "set", name, "up");
      const c = sleeper((config) => {
        config.linux["netDevices"] = { [name]: { name: other } };
      }).up();
      expect(linkOf(c.state().pid, other)?.flags).to.include("UP");
      expect(onHost(other)).to.equal(true);
    }),
  );

  it(
    "keeps the permanent global addresses, v4 and v6, and no others",
    known("runc <1.4", since, () => {
      const kept = ["10.99.1.2/24", "10.99.2.2/32", "2001:db8:99::2/64"];
      const name = interfacePair(...kept);
      ip("addr", "add", "10.99.3.2/24", "dev", name, "valid_lft", "1000", "preferred_lft", "1000");
      ip("addr", "add", "169.254.9.9/16", "dev", name, "scope", "link");
      const c = sleeper((config) => {
        config.linux["netDevices"] = { [name]: { name: "net0" } };
      }).up();
      const link = linkOf(c.state().pid, "net0");
      expect(addresses(link)).to.deep.equal(kept.sort());
      expect(link?.addr_info.map(({ local }) => local)).to.not.include("169.254.9.9");
    }),
  );

  it(
    "moves several",
    known("runc <1.4", since, () => {
      const names = [interfacePair(), interfacePair(), interfacePair("10.99.4.2/24")];
      const c = sleeper((config) => {
        config.linux["netDevices"] = Object.fromEntries(names.map((name) => [name, {}]));
      }).up();
      for (const name of names) expect(linkOf(c.state().pid, name)?.flags).to.include("UP");
      expect(addresses(linkOf(c.state().pid, names[2] ?? ""))).to.deep.equal(["10.99.4.2/24"]);
    }),
  );

  it(
    "works with a user namespace",
    known("runc <1.4", since, function () {
      requires({ userns: true }).call(this);
      const name = interfacePair("10.99.5.2/24");
      const c = sleeper((config) => {
        config.linux["netDevices"] = { [name]: { name: "net0" } };
        config.linux.namespaces.push({ type: "user" });
        for (const key of ["uidMappings", "gidMappings"])
          config.linux[key] = [{ containerID: 0, hostID: 200_000, size: 65_536 }];
      }).up();
      expect(addresses(linkOf(c.state().pid, "net0"))).to.deep.equal(["10.99.5.2/24"]);
    }),
  );

  it(
    "is done before createRuntime hooks and the program",
    known("runc <1.4", since, () => {
      const name = interfacePair();
      const c = container((config) => {
        config.linux["netDevices"] = { [name]: { name: "net0" } };
        config.process.args = ["/probe", "list", "/sys/class/net"];
        const test = `test ! -e /sys/class/net/${name}`;
        config.hooks = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", test] }] };
      });
      expect(c.run().ok().stdout).to.include("net0");
    }),
  );

  function refused(edit: (config: Config) => void, pattern: RegExp): void {
    const c = container(edit);
    c.run().fails(pattern);
    expect(traces(c.id)).to.deep.equal([]);
  }

  it(
    "names the device that does not exist",
    known("runc <1.4", since, () => {
      refused((config) => {
        config.linux["netDevices"] = { cfmnone0: {} };
      }, /cfmnone0/);
    }),
  );

  it(
    "refuses a name that the container has already",
    known("runc <1.4", since, () => {
      const name = interfacePair();
      refused((config) => {
        config.linux["netDevices"] = { [name]: { name: "lo" } };
      }, new RegExp(name));
      expect(onHost(name)).to.equal(true);
    }),
  );

  it(
    "refuses names that are none, and two devices with one name",
    known("runc <1.4", since, () => {
      for (const bad of ["a/b", "..", "sixteen-letters0", "a b"]) {
        refused((config) => {
          config.linux["netDevices"] = { eth9: { name: bad } };
        }, /name/i);
      }
      refused((config) => {
        config.linux["netDevices"] = { eth8: { name: "x0" }, eth9: { name: "x0" } };
      }, /x0/);
    }),
  );

  it(
    "needs a network namespace",
    known("runc <1.4", since, () => {
      refused((config) => {
        withoutNamespace(config, "network");
        config.linux["netDevices"] = { lo: {} };
      }, /net/i);
    }),
  );
});
