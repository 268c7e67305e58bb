/** linux.namespaces: new ones, absent ones, joining by path, and lists that must be refused. */
import { writeFileSync } from "node:fs";
import { expect } from "chai";
import { type Config, withoutNamespace } from "../harness/bundle.ts";
import { container, runReport, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { bindOnHost, unmountAll } from "../harness/host-mounts.ts";
import { traces } from "../harness/leaks.ts";
import { jsonLines, type ReadOutcome } from "../harness/probe.ts";
import { namespaceOf, readOrEmpty } from "../harness/processes.ts";
import { requires } from "../harness/requires.ts";
import { scratchPath } from "../harness/scratch.ts";

const names = { pid: "pid", network: "net", ipc: "ipc", uts: "uts", mount: "mnt" } as const;
const joinable = ["network", "ipc", "uts", "pid"] as const;

/** The interfaces in a text of /proc/net/dev. */
function interfaces(text: string): string[] {
  return [...text.matchAll(/^\s*([^\s:]+):/gm)].map((match) => match[1] ?? "");
}

function join(config: Config, type: string, path: string): void {
  withoutNamespace(config, type);
  if (type === "uts") delete config.hostname;
  config.linux.namespaces.push({ type, path });
}

describe("new namespaces", () => {
  it("are made for each type that is listed", () => {
    const report = runReport();
    for (const file of Object.values(names))
      expect(report.namespaces[file], file).to.not.equal(namespaceOf("self", file));
    expect(report.namespaces.user).to.equal(namespaceOf("self", "user"));
  });

  it("pid: the program is 1 and sees no process of the host", () => {
    const c = container((config) => {
      config.process.args = ["/bin/sh", "-c", "cd /proc; echo [0-9]*"];
    });
    expect(c.run().ok().stdout.trim()).to.match(/^1( \d)?$/);
  });

  it("network: only lo exists besides the kernel's templates, and it is up", () => {
    const c = container((config) => {
      config.process.args = ["/bin/sh", "-c", "cat /sys/class/net/lo/flags; ifconfig lo"];
    });
    const { stdout } = c.run().ok();
    expect(Number(stdout.split("\n")[0]) & 1, "IFF_UP").to.equal(1);
    expect(stdout).to.include("127.0.0.1");
  });

  it("ipc: System V objects of the host are not there", () => {
    const [outcome] = jsonLines<ReadOutcome>(
      container((config) => {
        config.process.args = ["/probe", "read", "/proc/sysvipc/shm"];
      })
        .run()
        .ok().stdout,
    );
    expect(outcome?.text?.trim().split("\n")).to.have.length(1);
  });

  it("cgroup: the program sees itself at the root", () => {
    const report = runReport((config) => {
      withoutNamespace(config, "cgroup");
      config.linux.namespaces.push({ type: "cgroup" });
    });
    expect(report.namespaces.cgroup).to.not.equal(namespaceOf("self", "cgroup"));
    for (const line of report.cgroup) expect(line.split(":").slice(2).join(":")).to.equal("/");
  });

  it(
    "time: with its offsets",
    known("runc <1.2", "time namespaces came with runc 1.2", function () {
      requires({ kernel: "5.6", file: "/proc/self/ns/time" }).call(this);
      const c = container((config) => {
        config.linux.namespaces.push({ type: "time" });
        config.linux["timeOffsets"] = {
          monotonic: { secs: 1000, nanosecs: 5 },
          boottime: { secs: 1_000_000 },
        };
        config.process.args = ["/probe", "report", "namespaces", "+", "read"];
        config.process.args.push("/proc/uptime", "/proc/self/timens_offsets");
      });
      const { stdout } = c.run().ok();
      const [uptime, offsets] = jsonLines<ReadOutcome>(stdout).slice(1);
      expect(Number(uptime?.text?.split(" ")[0])).to.be.greaterThan(1_000_000);
      expect(offsets?.text).to.match(/monotonic\s+1000\s+5/);
    }),
  );
});

describe("absent namespaces", () => {
  for (const type of ["pid", "network", "ipc", "uts"] as const) {
    it(`${type}: the host's is shared`, () => {
      const report = runReport((config) => {
        withoutNamespace(config, type);
        if (type === "uts") delete config.hostname;
        // sysfs and mqueue can be mounted by whoever owns the namespace only, and the host may mask them.
        config.mounts = config.mounts.filter(({ type: kind }) => kind !== "sysfs");
        config.mounts = config.mounts.filter(({ type: kind }) => kind !== "cgroup");
        config.linux.maskedPaths = [];
      });
      expect(report.namespaces[names[type]]).to.equal(namespaceOf("self", names[type]));
    });
  }

  it("network: the host's lo is left as it is, and its interfaces are seen", () => {
    const c = container((config) => {
      withoutNamespace(config, "network");
      config.process.args = ["/bin/cat", "/proc/net/dev"];
    });
    const { stdout } = c.run().ok();
    expect(interfaces(stdout)).to.deep.equal(interfaces(readOrEmpty("/proc/net/dev")));
  });

  it("pid: all processes of the container are gone after delete", () => {
    const c = sleeper((config) => {
      withoutNamespace(config, "pid");
      config.process.args = ["/probe", "children", "3", "+", "sleep"];
    }).up();
    c.kill("KILL", ["--all"]).ok();
    c.delete(["--force"]).ok();
    expect(traces(c.id)).to.deep.equal([]);
  });
});

describe("joined namespaces", () => {
  afterEach(unmountAll);

  for (const type of joinable) {
    it(`${type} by /proc/PID/ns, and the other container lives on`, () => {
      const first = sleeper().up();
      const { pid } = first.state();
      const file = names[type];
      const report = runReport((config) => join(config, type, `/proc/${pid}/ns/${file}`));
      expect(report.namespaces[file]).to.equal(namespaceOf(pid, file));
      if (type === "pid") expect(report.pid).to.be.greaterThan(1);
      expect(first.status()).to.equal("running");
      expect(first.execReport([], "namespaces").namespaces[file]).to.equal(report.namespaces[file]);
    });
  }

  it("network by a bind-mounted file, as ip netns makes one", () => {
    const first = sleeper().up();
    const expected = namespaceOf(first.state().pid, "net");
    const path = scratchPath("netns");
    writeFileSync(path, "");
    bindOnHost(`/proc/${first.state().pid}/ns/net`, path);
    first.kill("KILL").ok();
    first.delete(["--force"]).ok();
    const report = runReport((config) => join(config, "network", path));
    expect(report.namespaces.net).to.equal(expected);
  });

  it("several at once, as in a pod", () => {
    const first = sleeper().up();
    const { pid } = first.state();
    const report = runReport((config) => {
      for (const type of ["network", "ipc", "uts"] as const)
        join(config, type, `/proc/${pid}/ns/${names[type]}`);
    });
    for (const file of ["net", "ipc", "uts"] as const)
      expect(report.namespaces[file]).to.equal(namespaceOf(pid, file));
    expect(report.hostname).to.equal("probe");
  });
});

describe("joined pid namespace", () => {
  it("a container in it can be created, started, entered, killed and deleted", async () => {
    const first = sleeper().up();
    const second = sleeper((config) =>
      join(config, "pid", `/proc/${first.state().pid}/ns/pid`),
    ).up();
    const inside = second.execReport([], "namespaces").namespaces.pid;
    expect(inside).to.equal(namespaceOf(first.state().pid, "pid"));
    second.kill("KILL").ok();
    await second.reaches("stopped");
    second.delete().ok();
    expect(traces(second.id)).to.deep.equal([]);
    expect(first.status()).to.equal("running");
  });
});

describe("namespace lists that must be refused", () => {
  function refused(edit: (config: Config) => void, pattern?: RegExp): void {
    const c = container(edit);
    c.run().fails(pattern);
    expect(traces(c.id)).to.deep.equal([]);
  }

  it("the same type twice", () => {
    refused((config) => config.linux.namespaces.push({ type: "ipc" }), /namespace|duplicat/i);
  });

  it("an unknown type", () => {
    refused((config) => config.linux.namespaces.push({ type: "network2" }), /network2/);
  });

  it("a path to a namespace of another type", () => {
    const { pid } = sleeper().up().state();
    refused((config) => join(config, "network", `/proc/${pid}/ns/ipc`));
  });

  it("a path that does not exist", () => {
    refused((config) => join(config, "network", "/nonexistent/netns"), /\/nonexistent\/netns/);
  });

  it("a path to a regular file, a directory, a fifo", () => {
    refused((config) => join(config, "network", "/etc/passwd"));
    refused((config) => join(config, "ipc", "/etc"));
  });

  it("a relative path", () => {
    refused((config) => join(config, "network", "proc/self/ns/net"));
  });

  it(
    "no mount namespace with a root of its own: the host's mounts would change",
    known("crun", "it chroots then", () => {
      refused((config) => withoutNamespace(config, "mount"));
    }),
  );
});
