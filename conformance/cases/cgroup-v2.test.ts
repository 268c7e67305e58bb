/** What only the unified hierarchy has: unified keys, delegation, init's own sub-cgroups, cgroup.kill, pressure. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { expect } from "chai";
import type { Config } from "../harness/bundle.ts";
import { type Container, container, readPidFile, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";
import { cgroupDirectory, cgroupValue, isAlive } from "../harness/processes.ts";
import { requires } from "../harness/requires.ts";
import { scratchPath } from "../harness/scratch.ts";
import { until } from "../harness/wait.ts";

const mib = 1 << 20;

function withResources(resources: Record<string, unknown>): (config: Config) => void {
  return (config) => void Object.assign(config.linux.resources, resources);
}

/** The value in the container's cgroup. */
function value(c: Container, file: string): string {
  return cgroupValue(c.state().pid, "pids", file);
}

/** Makes the cgroup mount writable. */
function writableCgroup(config: Config): void {
  for (const mount of config.mounts)
    if (mount.type === "cgroup") mount.options = ["nosuid", "noexec", "nodev"];
}

describe("linux.resources.unified", () => {
  before(requires({ cgroup: "v2", controllers: ["memory", "pids"] }));

  it("sets any file of the cgroup", () => {
    const unified = { "memory.high": String(80 * mib), "memory.oom.group": "1", "pids.max": "77" };
    const c = sleeper(withResources({ unified })).up();
    for (const [file, text] of Object.entries(unified)) expect(value(c, file), file).to.equal(text);
  });

  it("wins over the other members", () => {
    const resources = { pids: { limit: 10 }, unified: { "pids.max": "20" } };
    expect(value(sleeper(withResources(resources)).up(), "pids.max")).to.equal("20");
  });

  it("is changed by update, which leaves the rest", () => {
    const c = sleeper(withResources({ unified: { "memory.high": String(80 * mib) } })).up();
    const input = JSON.stringify({ unified: { "pids.max": "33" } });
    c.update(["--resources", "-"], { input }).ok();
    expect(value(c, "pids.max")).to.equal("33");
    expect(value(c, "memory.high")).to.equal(String(80 * mib));
  });

  for (const key of ["pids/max", "../pids.max", "nodot", "nosuchcontroller.max", "memory.nosuch"]) {
    it(`refuses ${key}, and nothing is left`, () => {
      const c = container(withResources({ unified: { [key]: "1" } }));
      c.run().fails(new RegExp(key.replaceAll(".", "\\.")));
      expect(traces(c.id)).to.deep.equal([]);
    });
  }
});

describe("a v2 cgroup's values", () => {
  before(requires({ cgroup: "v2", controllers: ["cpu", "memory", "io"] }));

  for (const [shares, weight] of [
    [2, "1"],
    [1024, "100"],
    [262_144, "10000"],
  ] as const) {
    const read = () => {
      const c = sleeper(withResources({ cpu: { shares } })).up();
      expect(value(c, "cpu.weight")).to.equal(weight);
    };
    const reason = "weights were linear in shares before";
    const body = shares === 1024 ? known("runc <1.3.2", reason, read) : read;
    it(`cpu.shares ${shares} is weight ${weight}`, body);
  }

  it("blockIO.weight is the weight of whichever policy there is", () => {
    const c = sleeper(withResources({ blockIO: { weight: 500 } }));
    const result = c.create();
    if (result.status !== 0) return void result.fails(/weight/);
    const directory = cgroupDirectory(c.state().pid, "pids");
    const files = ["io.bfq.weight", "io.weight"].filter((name) =>
      existsSync(`${directory}/${name}`),
    );
    expect(value(c, files[0] ?? "io.weight")).to.match(/^default (500|4950)/);
  });

  it("memory.swap equal to the limit means no swap", () => {
    const memory = { limit: 64 * mib, swap: 64 * mib };
    expect(value(sleeper(withResources({ memory })).up(), "memory.swap.max")).to.equal("0");
  });

  it("update of the swap limit alone counts from the memory limit there is", () => {
    const c = sleeper(withResources({ memory: { limit: 64 * mib, swap: 64 * mib } })).up();
    const input = JSON.stringify({ memory: { limit: 64 * mib, swap: 80 * mib } });
    c.update(["--resources", "-"], { input }).ok();
    expect(value(c, "memory.swap.max")).to.equal(String(16 * mib));
  });

  const refusal = async () => {
    const c = container((config) => {
      withResources({ memory: { limit: 128 * mib } })(config);
      config.process.args = ["/probe", "alloc", "48", "+", "sleep"];
    }).up();
    await c.prints(/"action":"alloc"/);
    const input = JSON.stringify({ memory: { limit: 16 * mib, checkBeforeUpdate: true } });
    c.update(["--resources", "-"], { input }).fails(/limit/, 1);
    expect(c.status()).to.equal("running");
    expect(value(c, "memory.max")).to.equal(String(128 * mib));
  };
  it(
    "checkBeforeUpdate refuses a limit below the usage, which the kernel would kill for",
    known("runc <1.2", "it does not know the member", refusal),
  );
});

describe("a container that manages its cgroup", () => {
  before(requires({ cgroup: "v2", controllers: ["pids"] }));

  /** Init moves into a leaf and gives its controllers to children, as systemd does. */
  const likeSystemd = [
    "mkdir /sys/fs/cgroup/leaf",
    "echo 1 >/sys/fs/cgroup/leaf/cgroup.procs",
    "echo +pids >/sys/fs/cgroup/cgroup.subtree_control",
    "echo ready",
    "exec sleep 1000",
  ].join(" && ");

  function manager(): Container {
    return container((config) => {
      writableCgroup(config);
      config.process.args = ["/bin/sh", "-c", likeSystemd];
    });
  }

  it("can be entered: exec joins where init is", async () => {
    const c = manager().up();
    await c.prints(/ready/);
    const file = scratchPath("pid");
    c.exec(["/probe", "sleep"], ["-d", "--pid-file", file]).ok();
    const own = cgroupDirectory(c.state().pid, "pids");
    expect(own).to.match(/\/leaf$/);
    expect(cgroupDirectory(readPidFile(file), "pids")).to.equal(own);
  });

  it("is paused, listed and killed with all that is below", async () => {
    const c = manager().up();
    await c.prints(/ready/);
    const file = scratchPath("pid");
    c.exec(["/probe", "sleep"], ["-d", "--pid-file", file]).ok();
    const pids = JSON.parse(c.command("ps", ["--format", "json"]).ok().stdout);
    expect(pids).to.include.members([c.state().pid, readPidFile(file)]);
    c.pause().ok();
    expect(c.status()).to.equal("paused");
    c.delete(["--force"]).ok();
    expect(isAlive(readPidFile(file))).to.equal(false);
    expect(traces(c.id)).to.deep.equal([]);
  });

  it("has a cgroup of its own as the root of its namespace", () => {
    const report = sleeper().up().execReport([], "cgroup");
    expect(report.cgroup).to.deep.equal(["0::/"]);
  });

  const owner = function (this: Mocha.Context) {
    requires({ root: true, userns: true }).call(this);
    const c = sleeper((config) => {
      writableCgroup(config);
      config.linux.namespaces.push({ type: "user" });
      for (const kind of ["uidMappings", "gidMappings"])
        config.linux[kind] = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    }).up();
    const own = cgroupDirectory(c.state().pid, "pids");
    const ownerOf = (name: string) => statSync(`${own}/${name}`).uid;
    expect(["", "cgroup.procs", "cgroup.subtree_control"].map(ownerOf)).to.deep.equal(
      Array(3).fill(100_000),
    );
    expect(
      ["pids.max", "cgroup.freeze", "cgroup.kill"]
        .filter((name) => existsSync(`${own}/${name}`))
        .map(ownerOf),
    ).to.satisfy((owners: number[]) => owners.every((owner) => owner === 0));
    c.exec(["/bin/mkdir", "/sys/fs/cgroup/below"]).ok();
    expect(existsSync(`${own}/below`)).to.equal(true);
  };
  it(
    "in a user namespace owns the cgroup, and the files that may be delegated only",
    known("runc", "only its systemd driver gives the cgroup away", owner),
  );

  it("in a user namespace with a read-only mount does not own the cgroup", function () {
    requires({ root: true, userns: true }).call(this);
    const c = sleeper((config) => {
      config.linux.namespaces.push({ type: "user" });
      for (const kind of ["uidMappings", "gidMappings"])
        config.linux[kind] = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    }).up();
    expect(statSync(cgroupDirectory(c.state().pid, "pids")).uid).to.equal(0);
  });
});

describe("what the kernel tells of a v2 cgroup", () => {
  before(requires({ cgroup: "v2", controllers: ["memory", "pids"], command: "events" }));

  it("events --stats has the pressure", function () {
    requires({ file: "/proc/pressure/cpu" }).call(this);
    const c = sleeper().up();
    const known = JSON.parse(c.command("events", ["--stats"]).ok().stdout).data;
    for (const part of ["cpu", "memory", "blkio"])
      expect(known[part].psi.some, part).to.include.keys("avg10", "avg60", "avg300", "total");
  });

  it("a killed process counts in memory.events, and the container goes on", async () => {
    const c = sleeper(withResources({ memory: { limit: 24 * mib, swap: 24 * mib } })).up();
    c.exec(["/probe", "alloc-child", "100"]);
    const file = `${cgroupDirectory(c.state().pid, "pids")}/memory.events`;
    await until("the kill", () => /^oom_kill [1-9]/m.test(readFileSync(file, "utf8")));
    expect(c.status()).to.equal("running");
  });
});
