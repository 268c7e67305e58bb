/** The update command: flags and --resources change the limits of a running container, and are read back from the cgroup. */
import { expect } from "chai";
import { container, sleeper, textFile } from "../harness/container.ts";
import { cgroupValue } from "../harness/processes.ts";
import { hostFacts, requires } from "../harness/requires.ts";

const mib = 1024 * 1024;
const v2 = hostFacts().cgroup === "v2";

/** A running container with limits that leave room to move. */
function limited() {
  return sleeper((config) => {
    config.linux.resources = {
      ...config.linux.resources,
      memory: { limit: 64 * mib, reservation: 32 * mib },
      cpu: { shares: 512, quota: 50_000, period: 100_000 },
      pids: { limit: 50 },
    };
  }).up();
}

type Limited = ReturnType<typeof limited>;

function value(c: Limited, controller: string, v1File: string, v2File: string): string {
  return cgroupValue(c.state().pid, controller, v2 ? v2File : v1File);
}

const memory = (c: Limited) => value(c, "memory", "memory.limit_in_bytes", "memory.max");
const reservation = (c: Limited) => value(c, "memory", "memory.soft_limit_in_bytes", "memory.low");
const pids = (c: Limited) => value(c, "pids", "pids.max", "pids.max");
/** "QUOTA PERIOD" on both versions. */
const cpu = (c: Limited) =>
  v2
    ? cgroupValue(c.state().pid, "cpu", "cpu.max")
    : `${value(c, "cpu", "cpu.cfs_quota_us", "")} ${value(c, "cpu", "cpu.cfs_period_us", "")}`;

describe("update", () => {
  before(requires({ controllers: ["memory", "cpu", "pids"] }));

  it("--memory and --memory-reservation with plain numbers and with suffixes", () => {
    const c = limited();
    expect(memory(c)).to.equal(String(64 * mib));
    c.update(["--memory", String(80 * mib)]).ok();
    expect(memory(c)).to.equal(String(80 * mib));
    c.update(["--memory", "96M", "--memory-reservation", "48m"]).ok();
    expect(memory(c)).to.equal(String(96 * mib));
    expect(reservation(c)).to.equal(String(48 * mib));
  });

  it("--memory -1 lifts the limit", () => {
    const c = limited();
    c.update(["--memory", "-1"]).ok();
    expect(Number(memory(c).replace("max", "Infinity"))).to.be.greaterThan(2 ** 60);
  });

  it("--pids-limit", () => {
    const c = limited();
    c.update(["--pids-limit", "20"]).ok();
    expect(pids(c)).to.equal("20");
    c.update(["--pids-limit", "-1"]).ok();
    expect(pids(c)).to.equal("max");
  });

  it("--cpu-quota keeps the period, --cpu-period keeps the quota", () => {
    const c = limited();
    expect(cpu(c)).to.equal("50000 100000");
    c.update(["--cpu-quota", "30000"]).ok();
    expect(cpu(c)).to.equal("30000 100000");
    c.update(["--cpu-period", "60000"]).ok();
    expect(cpu(c)).to.equal("30000 60000");
    c.update(["--cpu-period", "50000", "--cpu-quota", "25000"]).ok();
    expect(cpu(c)).to.equal("25000 50000");
  });

  it("--cpu-share", () => {
    const c = limited();
    const shares = () => value(c, "cpu", "cpu.shares", "cpu.weight");
    const before = shares();
    c.update(["--cpu-share", "2048"]).ok();
    if (v2) expect(Number(shares())).to.be.greaterThan(Number(before));
    else expect(shares()).to.equal("2048");
  });

  it("--cpuset-cpus", function () {
    requires({ controllers: ["cpuset"] }).call(this);
    const c = limited();
    c.update(["--cpuset-cpus", "0"]).ok();
    expect(cgroupValue(c.state().pid, "cpuset", "cpuset.cpus")).to.equal("0");
  });

  it("--resources FILE, and - for stdin", () => {
    const c = limited();
    const text = JSON.stringify({ memory: { limit: 72 * mib }, pids: { limit: 33 } });
    c.update(["--resources", textFile("resources", text)]).ok();
    expect(memory(c)).to.equal(String(72 * mib));
    expect(pids(c)).to.equal("33");
    c.update(["-r", "-"], { input: JSON.stringify({ pids: { limit: 44 } }) }).ok();
    expect(pids(c)).to.equal("44");
    expect(memory(c), "what is not named stays").to.equal(String(72 * mib));
  });

  it("--resources wins over single flags", () => {
    const c = limited();
    const file = textFile("resources", JSON.stringify({ pids: { limit: 33 } }));
    c.update(["--pids-limit", "22", "--resources", file]).ok();
    expect(pids(c)).to.equal("33");
  });

  it("works on a created and on a paused container", () => {
    const c = sleeper();
    c.create().ok();
    c.update(["--pids-limit", "12"]).ok();
    expect(pids(c)).to.equal("12");
    c.start().ok();
    c.pause().ok();
    c.update(["--pids-limit", "13"]).ok();
    expect(c.status()).to.equal("paused");
    c.resume().ok();
    expect(pids(c)).to.equal("13");
  });

  it("leaves device access alone", () => {
    const c = limited();
    c.update(["--pids-limit", "40"]).ok();
    c.exec(["/bin/sh", "-c", "echo x > /dev/null"]).ok();
    const denied = c.exec(["/probe", "mknod", "/dev/shm/kmsg", "c", "1", "11"]).ok();
    expect(denied.stdout).to.match(/EPERM|EACCES/);
  });

  it("of a stopped container fails", async () => {
    const c = limited();
    c.kill("KILL").ok();
    await c.reaches("stopped");
    c.update(["--pids-limit", "9"]).fails(undefined, 1);
  });

  for (const flags of [
    ["--memory", "lots"],
    ["--cpu-quota", "x"],
    ["--resources", "/no/such/file"],
    ["--pids-limit", "many"],
  ]) {
    it(`refuses ${flags.join(" ")} and changes nothing`, () => {
      const c = limited();
      c.update(flags).fails(undefined, 1);
      expect(memory(c)).to.equal(String(64 * mib));
      expect(pids(c)).to.equal("50");
    });
  }

  it("refuses a memory limit below what is in use, and keeps the old one", () => {
    const c = container((config) => {
      config.linux.resources = { ...config.linux.resources, memory: { limit: 64 * mib } };
      config.process.args = ["/probe", "alloc", "32", "+", "sleep"];
    }).up();
    return c.prints(/"action":"alloc"/).then(() => {
      if (v2) return; // v2 reclaims or kills instead of refusing
      c.update(["--memory", "8M"]).fails(undefined, 1);
      expect(memory(c)).to.equal(String(64 * mib));
    });
  });
});
