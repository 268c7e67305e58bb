/** linux.cgroupsPath and linux.resources: where the container's processes are, and the values that the kernel holds. */
import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import { expect } from "chai";
import { type Config, withoutNamespace } from "../harness/bundle.ts";
import { type Container, container, runReport, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";
import { cgroupDirectory, cgroupMounts, cgroupsNamed, readOrEmpty } from "../harness/processes.ts";
import { hostFacts, requires } from "../harness/requires.ts";

function up(resources: Record<string, unknown>, edit?: (config: Config) => void): Container {
  return sleeper((config) => {
    Object.assign(config.linux.resources, resources);
    edit?.(config);
  }).up();
}

function file(c: Container, controller: string, name: string): string {
  return readOrEmpty(`${cgroupDirectory(c.state().pid, controller)}/${name}`).trim();
}

/** The container's path in each hierarchy, by controllers. */
function pathsOf(pid: number): Map<string, string> {
  const rows = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
  return new Map(rows.map((row) => [row.split(":")[1] ?? "", row.split(":").slice(2).join(":")]));
}

describe("linux.cgroupsPath", () => {
  it("absent: a cgroup named after the container, in every hierarchy", () => {
    const c = up({});
    const paths = pathsOf(c.state().pid);
    for (const { key } of cgroupMounts()) {
      // A hybrid host's cgroup2 has no controllers; joining it is up to the runtime.
      if (key === "" && hostFacts().cgroup === "v1") continue;
      expect(basename(paths.get(key) ?? ""), `hierarchy ${key}`).to.equal(c.id);
    }
  });

  it("absolute: from the root of the hierarchy", function () {
    requires({ root: true }).call(this);
    let path = "";
    const c = sleeper((config) => {
      path = `/conformance-top-${process.pid}/${basename(config.root.path)}-abs`;
      config.linux.cgroupsPath = path;
    }).up();
    const seen = pathsOf(c.state().pid).get(hostFacts().cgroup === "v1" ? "pids" : "");
    expect(seen).to.equal(path);
    c.kill("KILL").ok();
    c.delete(["--force"]).ok();
    expect(cgroupsNamed(basename(path))).to.deep.equal([]);
    removeTop();
  });

  it("relative: below where the runtime was started, or below a fixed place", () => {
    const c = sleeper((config) => {
      config.linux.cgroupsPath = `conformance-top-${process.pid}/rel`;
    }).up();
    const seen = pathsOf(c.state().pid).get(hostFacts().cgroup === "v1" ? "pids" : "");
    expect(seen).to.match(new RegExp(`/conformance-top-${process.pid}/rel$`));
    c.kill("KILL").ok();
    c.delete(["--force"]).ok();
    removeTop();
  });

  it("the parents that were there before are kept", function () {
    requires({ root: true }).call(this);
    const [mount] = cgroupMounts().filter(({ key }) => key === "pids" || key === "");
    const parent = `${mount?.path}/conformance-top-${process.pid}`;
    mkdirSync(parent);
    const c = sleeper((config) => {
      config.linux.cgroupsPath = `/${basename(parent)}/child`;
    }).up();
    expect(existsSync(`${parent}/child`)).to.equal(true);
    c.kill("KILL").ok();
    c.delete(["--force"]).ok();
    expect(existsSync(`${parent}/child`)).to.equal(false);
    expect(existsSync(parent)).to.equal(true);
    removeTop();
  });

  it("two containers may lie in each other's neighbourhood", function () {
    requires({ root: true }).call(this);
    const edit = (name: string) => (config: Config) => {
      config.linux.cgroupsPath = `/conformance-top-${process.pid}/${name}`;
    };
    const [first, second] = [up({}, edit("a")), up({}, edit("b"))];
    first.kill("KILL").ok();
    first.delete(["--force"]).ok();
    expect(second.status()).to.equal("running");
    second.kill("KILL").ok();
    second.delete(["--force"]).ok();
    removeTop();
  });

  for (const path of ["/../../escape", "../escape", "/a/../../../escape"]) {
    it(`${path} does not leave the hierarchy`, () => {
      const c = sleeper((config) => {
        config.linux.cgroupsPath = `${path}-${process.pid}`;
      });
      const result = c.create();
      if (result.status === 0) {
        for (const [key, seen] of pathsOf(c.state().pid)) expect(seen, key).to.not.include("..");
        c.delete(["--force"]).ok();
      }
      for (const { path: top } of cgroupMounts())
        expect(existsSync(`${dirname(top)}/escape-${process.pid}`)).to.equal(false);
    });
  }
});

/** Takes away what the runtimes leave of the parents they made: the spec lets them. */
function removeTop(): void {
  for (const path of cgroupsNamed(`conformance-top-${process.pid}`)) rmdirSync(path);
}

describe("membership", () => {
  it("children are in the cgroup too, and exec as well", () => {
    const c = sleeper((config) => {
      // A cgroup namespace would show the container's own as the root.
      withoutNamespace(config, "cgroup");
      config.process.args = ["/probe", "children", "2", "+", "sleep"];
    }).up();
    const controller = hostFacts().cgroup === "v1" ? "pids" : "";
    const ofInit = pathsOf(c.state().pid).get(controller);
    const inside = c.execReport([], "cgroup").cgroup;
    expect(inside.some((row) => row.endsWith(`:${controller}:${ofInit}`))).to.equal(true);
    const procs = file(c, "pids", "cgroup.procs").split("\n");
    expect(procs.length).to.equal(3);
  });

  it("is complete before the program runs", () => {
    const report = runReport();
    const roots = report.cgroup.filter((row) => row.endsWith(":/"));
    const mounted = cgroupMounts().filter(({ key }) => key !== "");
    expect(
      roots.filter((row) => mounted.some(({ key }) => row.includes(`:${key}:`))),
    ).to.deep.equal([]);
  });

  it("delete removes the cgroup with sub-cgroups that the container made", async () => {
    const c = sleeper((config) => {
      for (const mount of config.mounts)
        if (mount.type === "cgroup") mount.options = ["nosuid", "noexec", "nodev"];
    }).up();
    const made = `/sys/fs/cgroup${hostFacts().cgroup === "v1" ? "/pids" : ""}/sub/sub`;
    c.exec(["/bin/mkdir", "-p", made]).ok();
    c.kill("KILL").ok();
    await c.reaches("stopped");
    c.delete().ok();
    expect(traces(c.id)).to.deep.equal([]);
  });
});

interface Row {
  title: string;
  resources: Record<string, unknown>;
  controller: string;
  v1: readonly [file: string, value: string];
  v2: readonly [file: string, value: string];
}

const mib = 1 << 20;
const rows: readonly Row[] = [
  {
    title: "memory.limit",
    resources: { memory: { limit: 64 * mib } },
    controller: "memory",
    v1: ["memory.limit_in_bytes", String(64 * mib)],
    v2: ["memory.max", String(64 * mib)],
  },
  {
    title: "memory.reservation",
    resources: { memory: { reservation: 32 * mib } },
    controller: "memory",
    v1: ["memory.soft_limit_in_bytes", String(32 * mib)],
    v2: ["memory.low", String(32 * mib)],
  },
  {
    title: "memory.swap",
    resources: { memory: { limit: 64 * mib, swap: 96 * mib } },
    controller: "memory",
    v1: ["memory.memsw.limit_in_bytes", String(96 * mib)],
    v2: ["memory.swap.max", String(32 * mib)],
  },
  {
    title: "memory.limit -1",
    resources: { memory: { limit: -1 } },
    controller: "memory",
    v1: ["memory.limit_in_bytes", "9223372036854771712"],
    v2: ["memory.max", "max"],
  },
  {
    title: "cpu.shares",
    resources: { cpu: { shares: 512 } },
    controller: "cpu",
    v1: ["cpu.shares", "512"],
    v2: ["cpu.weight", "59"],
  },
  {
    title: "cpu.quota and cpu.period",
    resources: { cpu: { quota: 50_000, period: 200_000 } },
    controller: "cpu",
    v1: ["cpu.cfs_quota_us", "50000"],
    v2: ["cpu.max", "50000 200000"],
  },
  {
    title: "cpu.period",
    resources: { cpu: { period: 150_000 } },
    controller: "cpu",
    v1: ["cpu.cfs_period_us", "150000"],
    v2: ["cpu.max", "max 150000"],
  },
  {
    title: "cpu.cpus and mems",
    resources: { cpu: { cpus: "0", mems: "0" } },
    controller: "cpuset",
    v1: ["cpuset.cpus", "0"],
    v2: ["cpuset.cpus", "0"],
  },
  {
    title: "pids.limit",
    resources: { pids: { limit: 42 } },
    controller: "pids",
    v1: ["pids.max", "42"],
    v2: ["pids.max", "42"],
  },
  {
    title: "pids.limit -1",
    resources: { pids: { limit: -1 } },
    controller: "pids",
    v1: ["pids.max", "max"],
    v2: ["pids.max", "max"],
  },
];

describe("linux.resources", () => {
  for (const row of rows) {
    const body = function (this: Mocha.Context) {
      requires({ controllers: [row.controller] }).call(this);
      const [name, value] = hostFacts().cgroup === "v1" ? row.v1 : row.v2;
      const c = up(row.resources);
      const path = `${cgroupDirectory(c.state().pid, row.controller)}/${name}`;
      requires({ file: path }).call(this);
      expect(file(c, row.controller, name)).to.equal(value);
    };
    const isLinear = row.title === "cpu.shares" && hostFacts().cgroup === "v2";
    const reason = "weights were linear in shares before";
    it(row.title, isLinear ? known("runc <1.3.2", reason, body) : body);
  }

  const burst = () => {
    const c = up({ cpu: { quota: 50_000, period: 100_000, burst: 10_000 } });
    const v1 = hostFacts().cgroup === "v1";
    expect(file(c, "cpu", v1 ? "cpu.cfs_burst_us" : "cpu.max.burst")).to.equal("10000");
  };
  it("cpu.burst", known("runc <1.2", "cpu.burst came with runc 1.2", burst));

  it("memory.swappiness and disableOOMKiller", function () {
    requires({ cgroup: "v1" }).call(this);
    const c = up({ memory: { limit: 64 * mib, swappiness: 7, disableOOMKiller: true } });
    expect(file(c, "memory", "memory.swappiness")).to.equal("7");
    expect(file(c, "memory", "memory.oom_control")).to.match(/oom_kill_disable 1/);
  });

  it("blockIO throttling", function () {
    const v1 = hostFacts().cgroup === "v1";
    requires({ controllers: [v1 ? "blkio" : "io"] }).call(this);
    const [major, minor] = wholeDisk() ?? [];
    if (major === undefined) return requires({ file: "a block device" }).call(this);
    const device = { major, minor, rate: 1_048_576 };
    const c = up({
      blockIO: {
        throttleReadBpsDevice: [device],
        throttleWriteIOPSDevice: [{ ...device, rate: 500 }],
      },
    });
    const name = `${major}:${minor}`;
    if (!v1) {
      const limits = "rbps=1048576 wbps=max riops=max wiops=500";
      return expect(file(c, "io", "io.max")).to.equal(`${name} ${limits}`);
    }
    expect(file(c, "blkio", "blkio.throttle.read_bps_device")).to.equal(`${name} 1048576`);
    expect(file(c, "blkio", "blkio.throttle.write_iops_device")).to.equal(`${name} 500`);
  });

  it("an empty or absent object limits nothing", () => {
    const c = sleeper((config) => {
      delete (config.linux as Record<string, unknown>)["resources"];
    }).up();
    expect(file(c, "pids", "pids.max")).to.equal("max");
  });

  it("a value that the kernel does not take is an error, and nothing is left", () => {
    for (const resources of [
      { cpu: { cpus: "4096" } },
      { cpu: { quota: 1 } },
      { memory: { limit: 1 } },
    ]) {
      const c = container((config) => void Object.assign(config.linux.resources, resources));
      c.run().fails();
      expect(traces(c.id)).to.deep.equal([]);
    }
  });

  it("unified on v1 is an error", function () {
    requires({ cgroup: "v1" }).call(this);
    const c = container((config) => {
      config.linux.resources["unified"] = { "pids.max": "10" };
    });
    c.run().fails();
  });
});

/** Numbers of some disk of the machine. */
function wholeDisk(): [number, number] | undefined {
  const name = ["vda", "sda", "nvme0n1", "ubda"].find((disk) =>
    existsSync(`/sys/block/${disk}/dev`),
  );
  if (name === undefined) return undefined;
  const [major, minor] = readOrEmpty(`/sys/block/${name}/dev`).trim().split(":").map(Number);
  return [major ?? 0, minor ?? 0];
}
