/** Limits: read back in the cgroup's files and felt inside; `docker update`; running out of memory. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { cgroupDirectory, cgroupValue } from "../../harness/processes.ts";
import { hostFacts, requires } from "../../harness/requires.ts";
import { eventually } from "../../harness/wait.ts";
import { type Container, docker, output, run, shell, up } from "./container.ts";

const v2 = (): boolean => hostFacts().cgroup === "v2";

/** A value of the container's cgroup on either version: `[controller, file of v1, file of v2]`. */
type Place = readonly [controller: string, v1: string, v2: string];

async function value(c: Container, [controller, one, two]: Place): Promise<string> {
  return cgroupValue(await c.pid(), controller, v2() ? two : one);
}

const memory: Place = ["memory", "memory.limit_in_bytes", "memory.max"];
const pidsMax: Place = ["pids", "pids.max", "pids.max"];
const mebi = (count: number): string => String(count << 20);

async function cpuQuota(c: Container): Promise<string> {
  if (v2()) return value(c, ["cpu", "", "cpu.max"]);
  const quota = await value(c, ["cpu", "cpu.cfs_quota_us", ""]);
  return `${quota} ${await value(c, ["cpu", "cpu.cfs_period_us", ""])}`;
}

describe("limits", () => {
  it("memory, reservation and swap", async () => {
    const flags = ["-m", "64m", "--memory-reservation", "32m", "--memory-swap", "96m"];
    const c = await up(flags);
    expect(await value(c, memory)).to.equal(mebi(64));
    const soft: Place = ["memory", "memory.soft_limit_in_bytes", "memory.low"];
    expect(await value(c, soft)).to.equal(mebi(32));
  });

  it("CPU time, shares, period and sets", async () => {
    const c = await up([
      "--cpus",
      "0.5",
      "--cpu-shares",
      "512",
      "--cpuset-cpus",
      "0",
      "--cpuset-mems",
      "0",
    ]);
    expect(await cpuQuota(c)).to.equal("50000 100000");
    if (!v2()) expect(await value(c, ["cpu", "cpu.shares", ""])).to.equal("512");
    expect(await value(c, ["cpuset", "cpuset.cpus", "cpuset.cpus"])).to.equal("0");
    expect(await c.says(["grep", "Cpus_allowed_list", "/proc/self/status"])).to.match(/:\s*0$/);
    const other = await up(["--cpu-quota", "25000", "--cpu-period", "50000"]);
    expect(await cpuQuota(other)).to.equal("25000 50000");
  });

  it("pids: more processes cannot be made", async () => {
    const c = await up(["--pids-limit", "10"]);
    expect(await value(c, pidsMax)).to.equal("10");
    const script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; wait";
    (await c.exec(shell(script))).fails(/can't fork|Resource temporarily unavailable/);
  });

  it("block I/O weight", async function () {
    const c = await up(["--blkio-weight", "300"]);
    // Docker drops the value where the kernel has no scheduler with weights.
    if ((await c.inspect(".HostConfig.BlkioWeight")) !== 300) return this.skip();
    const directory = cgroupDirectory(await c.pid(), v2() ? "io" : "blkio");
    const files = ["blkio.bfq.weight", "blkio.weight", "io.bfq.weight", "io.weight"];
    const texts = files.map((file) => textOf(join(directory, file)));
    expect(texts.join()).to.match(/300|297|2871/);
  });

  it("bytes and operations a second of a device", async function () {
    const disk = textOf("/proc/partitions").match(/\b(vda|sda|nvme0n1|loop0)\b/)?.[0];
    if (disk === undefined) return this.skip();
    const device = `/dev/${disk}`;
    const rates = ["--device-read-bps", `${device}:1mb`, "--device-write-bps", `${device}:2mb`];
    const counts = ["--device-read-iops", `${device}:100`, "--device-write-iops", `${device}:200`];
    const c = await up([...rates, ...counts]);
    const pid = await c.pid();
    if (v2()) {
      const text = cgroupValue(pid, "io", "io.max");
      expect(text).to.match(/rbps=1048576 wbps=2097152 riops=100 wiops=200$/);
      return;
    }
    const throttle = (name: string) => cgroupValue(pid, "blkio", `blkio.throttle.${name}_device`);
    expect(throttle("read_bps")).to.match(/^\d+:\d+ 1048576$/);
    expect(throttle("write_bps")).to.match(/^\d+:\d+ 2097152$/);
    expect(throttle("read_iops")).to.match(/^\d+:\d+ 100$/);
    expect(throttle("write_iops")).to.match(/^\d+:\d+ 200$/);
  });

  it("resource limits of processes", async () => {
    const flags = ["--ulimit", "nofile=1000:2000", "--ulimit", "core=0", "--ulimit", "nproc=500"];
    const c = await up(flags);
    const text = await c.says(["cat", "/proc/self/limits"]);
    expect(text).to.match(/Max open files\s+1000\s+2000/);
    expect(text).to.match(/Max core file size\s+0\s+0/);
    expect(text).to.match(/Max processes\s+500\s+500/);
    expect(readFileSync(`/proc/${await c.pid()}/limits`, "utf8")).to.match(
      /open files\s+1000\s+2000/,
    );
  });

  it("score for the kernel's choice when memory ends", async () => {
    expect(await output(["--oom-score-adj", "333"], ["cat", "/proc/self/oom_score_adj"])).to.equal(
      "333",
    );
  });

  it("shared memory", async () => {
    const text = await output(["--shm-size", "13m"], ["df", "-k", "/dev/shm"]);
    expect(text).to.match(/\b13312\b/);
  });

  it("a cgroup parent of the caller's", async () => {
    const parent = (await (await up()).inspect<string>(".HostConfig.CgroupParent")) || "/docker";
    const c = await up(["--cgroup-parent", `${parent}/below`, "-m", "32m"]);
    const directory = cgroupDirectory(await c.pid(), "memory");
    expect(directory).to.match(new RegExp(`${parent}/below/${c.id}$`));
    expect(await value(c, memory)).to.equal(mebi(32));
  });

  it("are seen inside, in the container's own view of its cgroup", async () => {
    const file = v2() ? "/sys/fs/cgroup/memory.max" : "/sys/fs/cgroup/memory/memory.limit_in_bytes";
    expect(await output(["-m", "48m"], ["cat", file])).to.equal(mebi(48));
    (await run(["-m", "48m"], shell(`echo 1 >${file}`))).fails(/Read-only/);
  });
});

describe("docker update", () => {
  it("changes the limits of a running container", async () => {
    const c = await up(["-m", "64m", "--memory-swap", "-1", "--pids-limit", "50"]);
    const flags = ["-m", "128m", "--memory-swap", "-1", "--cpus", "0.25", "--pids-limit", "77"];
    (await c.verb("update", [...flags, "--cpuset-cpus", "0"])).ok();
    expect(await value(c, memory)).to.equal(mebi(128));
    expect(await cpuQuota(c)).to.equal("25000 100000");
    expect(await value(c, pidsMax)).to.equal("77");
    expect(await value(c, ["cpuset", "cpuset.cpus", "cpuset.cpus"])).to.equal("0");
  });

  it("shrinks and grows memory and swap together", async function () {
    requires({ controllers: ["memory"] }).call(this);
    const c = await up(["-m", "64m", "--memory-swap", "64m"]);
    for (const size of [128, 32, 256]) {
      (await c.verb("update", ["-m", `${size}m`, "--memory-swap", `${size}m`])).ok();
      expect(await value(c, memory)).to.equal(mebi(size));
    }
  });

  it("keeps devices and processes working", async () => {
    const c = await up();
    (await c.verb("update", ["--cpu-shares", "200"])).ok();
    (await c.exec(shell("head -c 10 /dev/urandom >/dev/null && echo ok >/dev/null"))).ok();
  });

  it("is kept over a restart", async () => {
    const c = await up(["-m", "64m", "--memory-swap", "64m"]);
    (await c.verb("update", ["-m", "96m", "--memory-swap", "96m"])).ok();
    (await c.verb("restart", ["--time", "0"])).ok();
    expect(await value(c, memory)).to.equal(mebi(96));
  });

  it("refuses less than six megabytes", async () => {
    const c = await up();
    (await c.verb("update", ["-m", "1m", "--memory-swap", "1m"])).fails(/minimum memory limit/i);
  });
});

describe("running out of memory", () => {
  const eat = shell("tail -c 200000000 /dev/zero | cat >/dev/null");
  const flags = ["-m", "24m", "--memory-swap", "24m"];

  it("is reported when the first process dies of it", async () => {
    const c = await up(flags, ["tail", "-c", "200000000", "/dev/zero"]);
    const state = await c.reaches("exited", 30_000);
    expect(state).to.include({ ExitCode: 137, OOMKilled: true });
  });

  it("is told as an event when another process dies of it", async () => {
    const since = new Date(Date.now() - 1000).toISOString();
    const c = await up(flags);
    const result = await c.exec(eat);
    expect(result.status).to.not.equal(null);
    await eventually("the event", async () => {
      const range = ["--since", since, "--until", new Date(Date.now() + 100).toISOString()];
      const { text } = await docker(["events", ...range, "--filter", "event=oom"]);
      return text.includes(c.id);
    });
    expect((await c.state()).Running).to.equal(true);
  });

  it("can be switched off on cgroup v1", async function () {
    requires({ cgroup: "v1" }).call(this);
    const c = await up([...flags, "--oom-kill-disable"]);
    const text = await value(c, ["memory", "memory.oom_control", ""]);
    expect(text).to.match(/oom_kill_disable 1/);
  });
});

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
