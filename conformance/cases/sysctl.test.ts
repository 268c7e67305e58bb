/** linux.sysctl: set inside the container's namespaces only, refused where it would be the host's. */
import { writeFileSync } from "node:fs";
import { expect } from "chai";
import { type Config, withoutNamespace } from "../harness/bundle.ts";
import { container, textFile } from "../harness/container.ts";
import { traces } from "../harness/leaks.ts";
import { jsonLines, type ReadOutcome } from "../harness/probe.ts";
import { readOrEmpty } from "../harness/processes.ts";

function seen(sysctl: Record<string, string>, paths = Object.keys(sysctl)): string[] {
  const c = container((config) => {
    config.linux["sysctl"] = sysctl;
    const files = paths.map((key) => (key.includes("/") ? key : key.replaceAll(".", "/")));
    config.process.args = ["/probe", "read", ...files.map((path) => `/proc/sys/${path}`)];
  });
  const lines = jsonLines<ReadOutcome>(c.run().ok().stdout);
  return lines.map(({ text, errno }) => text?.trim() ?? errno ?? "");
}

describe("linux.sysctl", () => {
  it("sets those of the network namespace, not the host's", () => {
    const host = readOrEmpty("/proc/sys/net/ipv4/ip_forward");
    const other = host.trim() === "1" ? "0" : "1";
    const values = { "net.ipv4.ip_forward": other, "net.ipv4.ip_unprivileged_port_start": "80" };
    expect(seen(values)).to.deep.equal([other, "80"]);
    expect(readOrEmpty("/proc/sys/net/ipv4/ip_forward")).to.equal(host);
  });

  it("sets those of the ipc namespace", () => {
    const values = {
      "kernel.shmmax": "65536",
      "kernel.shmmni": "100",
      "kernel.shm_rmid_forced": "1",
      "kernel.msgmax": "4096",
      "kernel.msgmni": "50",
      "fs.mqueue.msg_max": "20",
    };
    expect(seen(values)).to.deep.equal(Object.values(values));
    expect(seen({ "kernel.sem": "100 200 10 5" })[0]?.split(/\s+/)).to.deep.equal([
      "100",
      "200",
      "10",
      "5",
    ]);
  });

  it("kernel.domainname belongs to the uts namespace", () => {
    expect(seen({ "kernel.domainname": "example.net" })).to.deep.equal(["example.net"]);
  });

  it("keys may be written with slashes, for names with dots", () => {
    expect(seen({ "net/ipv4/conf/lo/forwarding": "1" })).to.deep.equal(["1"]);
  });

  it("is written although /proc/sys is read-only for the program", () => {
    const c = container((config) => {
      config.linux["sysctl"] = { "kernel.shmmni": "99" };
      config.linux.readonlyPaths = ["/proc/sys"];
      config.process.args = ["/bin/cat", "/proc/sys/kernel/shmmni"];
    });
    expect(c.run().ok().stdout).to.equal("99\n");
  });
});

describe("a sysctl's file that another file covers (CVE-2025-52881)", () => {
  it("is set all the same, or refused: what is written never goes elsewhere", () => {
    // a file that all namespaces share: those of the network's and ipc's settings are different ones in each
    const fake = textFile("fake", "as before");
    const c = container((config) => {
      config.linux["sysctl"] = { "kernel.domainname": "example.net" };
      config.process.args = ["/bin/cat", "/proc/sys/kernel/domainname"];
    });
    const cover = `mount --bind ${fake} /proc/sys/kernel/domainname`;
    const wrapper = ["unshare", "--mount", "sh", "-c", `${cover} && exec "$@"`, "sh"];
    const result = c.run([], { wrapper });
    expect(readOrEmpty(fake)).to.equal("as before");
    if (result.status === 0) expect(result.stdout).to.equal("example.net\n");
    else result.fails(/domainname/);
  });
});

describe("sysctls that must be refused", () => {
  /** The value is the host's own: a runtime that sets it after all does this machine no harm. */
  function refused(key: string, edit?: (config: Config) => void, value?: string): void {
    const path = `/proc/sys/${key.replaceAll(".", "/")}`;
    const before = readOrEmpty(path);
    const c = container((config) => {
      config.linux["sysctl"] = { [key]: value ?? (before.trim() || "1") };
      edit?.(config);
    });
    try {
      c.run().fails();
      expect(readOrEmpty(path)).to.equal(before);
    } finally {
      // the host's own: a runtime that lets it through must not leave it behind (fs.file-max = 1 stops every socket)
      if (readOrEmpty(path) !== before) writeFileSync(path, before);
    }
    expect(traces(c.id)).to.deep.equal([]);
  }

  for (const key of [
    "kernel.panic",
    "vm.swappiness",
    "fs.file-max",
    "kernel.core_pattern",
    "net",
    "",
  ])
    it(`${JSON.stringify(key)}: of the whole host`, () => refused(key));

  it("net.* without a network namespace", () => {
    refused("net.ipv4.ip_forward", (config) => withoutNamespace(config, "network"));
  });

  it("net.* with the host's own network namespace by path", () => {
    refused("net.ipv4.ip_forward", (config) => {
      withoutNamespace(config, "network");
      config.linux.namespaces.push({ type: "network", path: "/proc/1/ns/net" });
    });
  });

  it("kernel.shm* without an ipc namespace", () => {
    refused("kernel.shmmax", (config) => withoutNamespace(config, "ipc"));
  });

  it("kernel.domainname without a uts namespace", () => {
    refused("kernel.domainname", (config) => {
      withoutNamespace(config, "uts");
      delete config.hostname;
    });
  });

  it("kernel.hostname: the config has a field for it", () => {
    refused("kernel.hostname", undefined, "stolen");
  });

  for (const key of [
    "net.ipv4/../../kernel/panic",
    "net/../kernel/panic",
    "net.ipv4.../kernel",
    "kernel.shmmax/../panic",
    "net.no.such.key",
  ])
    it(`${key}`, () => refused(key));
});
