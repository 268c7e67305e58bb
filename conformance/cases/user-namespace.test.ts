/** User namespaces: mappings, owners on both sides, capabilities inside, devices, and joining other namespaces. */
import { chmodSync, chownSync, mkdirSync, statSync } from "node:fs";
import { expect } from "chai";
import { type Config, ownRootfs, shareDirectory, withoutNamespace } from "../harness/bundle.ts";
import { container, runActions, runReport, runShell, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";
import { namespaceOf, readOrEmpty } from "../harness/processes.ts";
import { requires } from "../harness/requires.ts";

const base = 100_000;
const range = 65_536;

function mapped(config: Config, hostID = base, size = range): void {
  config.linux.namespaces.push({ type: "user" });
  for (const kind of ["uidMappings", "gidMappings"])
    config.linux[kind] = [{ containerID: 0, hostID, size }];
}

describe("user namespace", () => {
  before(requires({ root: true, userns: true }));

  it("has the config's mappings, and root inside is the mapped id outside", () => {
    const c = sleeper(mapped).up();
    const report = c.execReport([], "identity", "cgroup");
    const maps = [...report.uidMap, ...report.gidMap].map((row) => row.trim().split(/\s+/));
    expect(maps).to.deep.equal([
      ["0", "100000", "65536"],
      ["0", "100000", "65536"],
    ]);
    expect(report.uid).to.equal(0);
    const status = readOrEmpty(`/proc/${c.state().pid}/status`);
    expect(/^Uid:\s+(\d+)/m.exec(status)?.[1]).to.equal(String(base));
    expect(/^Gid:\s+(\d+)/m.exec(status)?.[1]).to.equal(String(base));
  });

  it("several ranges, holes between them", () => {
    const report = runReport((config) => {
      mapped(config);
      const ranges = [
        { containerID: 0, hostID: base, size: 10 },
        { containerID: 1000, hostID: 200_000, size: 2000 },
      ];
      config.linux["uidMappings"] = ranges;
      config.linux["gidMappings"] = ranges;
      config.process.user = { uid: 1000, gid: 1001, additionalGids: [2000, 5] };
    });
    expect([report.uid, report.gid]).to.deep.equal([1000, 1001]);
    expect(report.groups).to.include.members([2000, 5]);
  });

  it("files made inside belong to the mapped id; unmapped owners are nobody", () => {
    let shared = "";
    const text = runShell(
      "touch /data/made; chown 7:8 /data/made; stat -c %u /etc/passwd",
      (config) => {
        mapped(config);
        shared = shareDirectory(config);
        chownSync(shared, base, base);
      },
    );
    const made = statSync(`${shared}/made`);
    expect([made.uid, made.gid]).to.deep.equal([base + 7, base + 8]);
    expect(text.trim()).to.equal("65534");
  });

  it("gives the config's capabilities inside", () => {
    const report = runReport((config) => {
      mapped(config);
      for (const set of ["bounding", "effective", "permitted"] as const)
        config.process.capabilities?.[set]?.push("CAP_SYS_ADMIN");
    });
    expect(report.caps.effective).to.include.members(["CAP_SYS_ADMIN", "CAP_CHOWN"]);
    expect(report.namespaces.user).to.not.equal(namespaceOf("self", "user"));
  });

  it("owns its other namespaces", () => {
    const [hostname] = runActions(["sethostname", "mine"], (config) => {
      mapped(config);
      for (const set of ["bounding", "effective", "permitted"] as const)
        config.process.capabilities?.[set]?.push("CAP_SYS_ADMIN");
    });
    expect(hostname?.errno).to.equal(null);
  });

  it("cannot make device nodes, but has the default ones and can use them", () => {
    const paths = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
    const actions = paths.flatMap((path) => ["open", path, "rw", "+"]);
    const outcomes = runActions([...actions, "mknod", "/dev/x", "c", "1", "3"], mapped);
    expect(outcomes.map(({ errno }) => errno)).to.deep.equal([...paths.map(() => null), "EPERM"]);
  });

  it("has its own devpts and mqueue, and links in /dev", () => {
    const { dev, mounts } = runReport(mapped);
    expect(dev.find(({ name }) => name === "fd")?.link).to.equal("/proc/self/fd");
    const types = mounts.map(({ type }) => type);
    expect(types).to.include.members(["devpts", "mqueue", "proc", "sysfs", "tmpfs"]);
  });

  it("may set groups", () => {
    const text = runShell("cat /proc/self/setgroups", mapped);
    expect(text).to.equal("allow\n");
  });

  it("sysctls of its network namespace can be set", () => {
    const text = runShell("cat /proc/sys/net/ipv4/ip_unprivileged_port_start", (config) => {
      mapped(config);
      config.linux["sysctl"] = { "net.ipv4.ip_unprivileged_port_start": "99" };
    });
    expect(text).to.equal("99\n");
  });

  it("makes missing mount targets and the working directory", () => {
    let root = "";
    runReport((config) => {
      mapped(config);
      root = ownRootfs(config);
      chownSync(root, base, base);
      config.mounts.push({ destination: "/new/target", type: "tmpfs", source: "t" });
      config.process.cwd = "/new/cwd";
    });
    // By the runtime as root of the host, or as root of the namespace: then with its mapped id.
    expect([0, base]).to.include(statSync(`${root}/new/target`).uid);
  });

  it("binds a source that only the host's root can reach", () => {
    const c = container((config) => {
      mapped(config);
      const shared = shareDirectory(config);
      const mount = config.mounts.at(-1);
      if (mount) mount.source = `${shared}/below`;
      config.process.args = ["/bin/ls", "-d", "/data"];
      prepareClosed(shared);
    });
    c.run().ok();
  });
});

/** A directory 0700 with one inside it. */
function prepareClosed(path: string): void {
  mkdirSync(`${path}/below`);
  chmodSync(path, 0o700);
}

describe("user namespace with other namespaces by path", () => {
  before(requires({ root: true, userns: true }));

  it("joins a network namespace of the host's", () => {
    const first = sleeper().up();
    const { pid } = first.state();
    const report = runReport((config) => {
      mapped(config);
      withoutNamespace(config, "network");
      config.linux.namespaces.push({ type: "network", path: `/proc/${pid}/ns/net` });
      // sysfs belongs to the owner of the network namespace.
      config.mounts = config.mounts.filter(({ type }) => type !== "sysfs" && type !== "cgroup");
    });
    expect(report.namespaces.net).to.equal(namespaceOf(pid, "net"));
  });

  it(
    "joins the user and network namespaces of another container",
    known("runc <1.2", "wants mappings; 1.2 reads them from the namespace", () => {
      const first = sleeper(mapped).up();
      const { pid } = first.state();
      const report = runReport((config) => {
        withoutNamespace(config, "network");
        config.linux.namespaces.push(
          { type: "user", path: `/proc/${pid}/ns/user` },
          { type: "network", path: `/proc/${pid}/ns/net` },
        );
      });
      expect(report.namespaces.user).to.equal(namespaceOf(pid, "user"));
      expect(report.namespaces.net).to.equal(namespaceOf(pid, "net"));
      expect(report.uidMap[0]?.trim().split(/\s+/)).to.deep.equal(["0", "100000", "65536"]);
      expect(report.uid).to.equal(0);
    }),
  );
});

describe("mappings that must be refused", () => {
  before(requires({ root: true, userns: true }));

  function refused(edit: (config: Config) => void): void {
    const c = container(edit);
    c.run().fails();
    expect(traces(c.id)).to.deep.equal([]);
  }

  it("none at all", () => {
    refused((config) => void config.linux.namespaces.push({ type: "user" }));
  });

  it(
    "mappings without a user namespace",
    known("runc", "silently without effect: the program is the host's root", () => {
      refused((config) => {
        config.linux["uidMappings"] = [{ containerID: 0, hostID: base, size: range }];
      });
    }),
  );

  it("overlapping ones", () => {
    refused((config) => {
      mapped(config);
      config.linux["uidMappings"] = [
        { containerID: 0, hostID: base, size: 10 },
        { containerID: 5, hostID: 200_000, size: 10 },
      ];
    });
  });

  it("of size 0", () => {
    refused((config) => mapped(config, base, 0));
  });

  it("a user that is not mapped", () => {
    refused((config) => {
      mapped(config, base, 10);
      config.process.user = { uid: 1000, gid: 0 };
    });
  });

  it("an additional group that is not mapped", () => {
    refused((config) => {
      mapped(config, base, 10);
      config.process.user = { uid: 0, gid: 0, additionalGids: [1000] };
    });
  });
});
