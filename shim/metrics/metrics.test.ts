/** Metrics of real cgroups, and of files that stand for a v2 cgroup with everything that kernels have. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { RuntimeError } from "../../runtime/base/errors.ts";
import type { CgroupManager } from "../../runtime/cgroups/manager.ts";
import { cgroupsFromPaths, openCgroups } from "../../runtime/cgroups/open.ts";
import { remove } from "../../runtime/cgroups/test-patience.ts";
import { cgroupHost } from "../../runtime/host/cgroup-mode.ts";
import { libexecDir, type NativeBinding, openAddon } from "../../runtime/native/binding.ts";
import { decodeMetrics as decodeV1 } from "../../schemas/generated/proto/cgroups-v1.ts";
import {
  decodeMetrics as decodeV2,
  type Metrics as V2Metrics,
} from "../../schemas/generated/proto/cgroups-v2.ts";
import { encodeMetrics } from "./metrics.ts";
import { readRdma } from "./numbers.ts";
import { parsePartitions } from "./v1.ts";

process.env["TSRUNC_LIBEXEC"] ??= `${process.cwd()}/dist/libexec/tsrunc`;

const native = (): NativeBinding => openAddon();
/** 2^64-1 as decoders that have doubles only give it. */
const noLimit = 2 ** 64;

const sample: Readonly<Record<string, string>> = {
  "cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc",
  "pids.current": "3",
  "pids.max": "max",
  "cpu.stat":
    "usage_usec 900\nuser_usec 500\nsystem_usec 400\nnr_periods 7\nnr_throttled 2\nthrottled_usec 60\nnr_bursts 1\nburst_usec 5",
  "cpu.pressure":
    "some avg10=1.50 avg60=0.25 avg300=0.00 total=123\nfull avg10=0.10 avg60=0.00 avg300=0.00 total=45",
  "memory.stat":
    "anon 4096\nfile 8192\nkernel_stack 16384\nslab 100\nsock 5\nshmem 6\nfile_mapped 7\nfile_dirty 8\nfile_writeback 9\nanon_thp 10\ninactive_anon 11\nactive_anon 12\ninactive_file 13\nactive_file 14\nunevictable 15\nslab_reclaimable 16\nslab_unreclaimable 17\npgfault 18\npgmajfault 19\nworkingset_refault_anon 20\nworkingset_refault_file 30\nworkingset_activate 21\nworkingset_nodereclaim 22\npgrefill 23\npgscan 24\npgsteal 25\npgactivate 26\npgdeactivate 27\npglazyfree 28\npglazyfreed 29\nthp_fault_alloc 30\nthp_collapse_alloc 31",
  "memory.current": "1048576",
  "memory.max": "max",
  "memory.peak": "2097152",
  "memory.swap.current": "4096",
  "memory.swap.max": "18446744073709551614",
  "memory.swap.peak": "8192",
  "memory.events": "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6",
  "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=5 dios=6\n253:1",
  "rdma.current": "mlx4_0 hca_handle=2 hca_object=2000",
  "rdma.max": "mlx4_0 hca_handle=max hca_object=max",
};

describe("metrics of a v2 cgroup", () => {
  let directory: string;
  let cgroups: CgroupManager;
  const measure = (): V2Metrics => {
    const { typeUrl, value } = encodeMetrics(cgroups);
    expect(typeUrl).to.equal("io.containerd.cgroups.v2.Metrics");
    return decodeV2(value);
  };
  const put = (file: string, text: string) => writeFileSync(join(directory, file), `${text}\n`);

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "shim-metrics-"));
    cgroups = cgroupsFromPaths("v2", { "": directory }, native);
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("has everything that the kernel says", () => {
    for (const [file, text] of Object.entries(sample)) put(file, text);
    const { pids, cpu, memory, rdma, io, memoryEvents } = measure();
    expect(pids).to.deep.include({ current: 3, limit: noLimit });
    const { psi, ...times } = { ...cpu };
    expect(times).to.deep.equal({
      usageUsec: 900,
      userUsec: 500,
      systemUsec: 400,
      nrPeriods: 7,
      nrThrottled: 2,
      throttledUsec: 60,
      nrBursts: 1,
      burstUsec: 5,
    });
    expect(psi?.some).to.deep.include({ avg10: 1.5, avg60: 0.25, total: 123 });
    expect(psi?.full).to.deep.include({ avg10: 0.1, total: 45 });
    expect(memory).to.deep.include({
      anon: 4096,
      file: 8192,
      kernelStack: 16384,
      unevictable: 15,
      workingsetRefault: 50,
      workingsetActivate: 21,
      thpCollapseAlloc: 31,
      usage: 1048576,
      usageLimit: noLimit,
      maxUsage: 2097152,
      swapUsage: 4096,
      swapLimit: noLimit,
      swapMaxUsage: 8192,
    });
    expect({ ...memoryEvents }).to.deep.equal({
      low: 1,
      high: 2,
      max: 3,
      oom: 4,
      oomKill: 5,
      oomGroupKill: 6,
    });
    expect(io?.usage.map((entry) => ({ ...entry }))).to.deep.equal([
      { major: 8, rbytes: 10, wbytes: 20, rios: 1, wios: 2 },
    ]);
    expect(rdma?.current[0]).to.deep.include({ device: "mlx4_0", hcaHandles: 2, hcaObjects: 2000 });
    expect(rdma?.limit[0]).to.deep.include({ hcaHandles: 4294967295, hcaObjects: 4294967295 });
  });

  it("keeps all 64 bits", () => {
    put("cgroup.controllers", "pids");
    put("pids.current", "18446744073709551614");
    put("pids.max", "max");
    const bytes = Buffer.from(encodeMetrics(cgroups).value).toString("hex");
    // field 1 of the message: current 2^64-2, limit 2^64-1, as varints of ten bytes
    expect(bytes.slice(0, 48)).to.equal("0a1608feffffffffffffffff0110ffffffffffffffffff01");
  });

  it("counts what is not there as zero", () => {
    const { pids, cpu, memory, io, hugetlb, memoryEvents } = measure();
    expect([pids?.current, cpu?.usageUsec, memory?.usage, io?.usage.length]).to.deep.equal([
      0, 0, 0, 0,
    ]);
    expect([cpu?.psi, memory?.psi, hugetlb.length, memoryEvents]).to.deep.equal([
      null,
      null,
      0,
      null,
    ]);
  });

  it("is NotFound when the cgroup is gone", () => {
    rmSync(directory, { recursive: true });
    expect(() => encodeMetrics(cgroups))
      .to.throw(RuntimeError)
      .with.property("code", "NotFound");
  });

  it("reads a real one", function () {
    const root = cgroupHost().mode === "v2" ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
    if (process.getuid?.() !== 0 || !existsSync(`${root}/cgroup.controllers`)) this.skip();
    const path = `${root}/tsrunc-metrics-${process.pid}`;
    mkdirSync(path);
    try {
      cgroups = cgroupsFromPaths("v2", { "": path }, native);
      expect(measure().cpu).to.deep.include({ usageUsec: 0, systemUsec: 0 });
    } finally {
      rmdirSync(path);
    }
  });
});

describe("metrics of a v2 cgroup with all controllers", () => {
  let cgroups: CgroupManager;

  before(function () {
    if (!existsSync(`${libexecDir()}/tsrunc.node`)) this.skip();
    if (process.getuid?.() !== 0 || cgroupHost().mode !== "v2") this.skip();
  });
  afterEach(() => {
    if (cgroups !== undefined) remove(cgroups);
  });

  it("are what the files say, and say of a kill after the end", async () => {
    const cgroupsPath = `/tsrunc-metrics-${process.pid}`;
    const common = { id: "c", systemd: false, rootless: false, native };
    cgroups = openCgroups({ ...common, cgroupsPath });
    cgroups.create({ memory: { limit: 8 << 20, swap: 8 << 20 }, pids: { limit: 20 } });
    const directory = cgroups.paths[""] ?? "";
    const script = `echo 0 > ${directory}/cgroup.procs && x=$(head -c 64M /dev/zero | tr '\\0' x)`;
    await new Promise((resolve) => spawn("bash", ["-c", script]).once("exit", resolve));
    const { value } = encodeMetrics(cgroups);
    const { pids, cpu, memory, memoryEvents } = decodeV2(value);
    expect(pids).to.deep.include({ limit: 20 });
    expect(cpu?.usageUsec).to.be.greaterThan(0);
    expect(memory).to.deep.include({ usageLimit: 8 << 20, swapLimit: 0 });
    expect(memory?.pgfault).to.be.greaterThan(0);
    expect(memory?.maxUsage).to.be.within(1 << 20, 8 << 20);
    expect(memoryEvents?.oomKill).to.equal(1);
  });
});

describe("metrics of v1 cgroups", () => {
  const parent = `/tsrunc-metrics-${process.pid}`;
  let cgroups: CgroupManager;
  let child: ChildProcess | undefined;
  const read = (controller: string, file: string): string =>
    readFileSync(`${cgroups.paths[controller]}/${file}`, "utf8").trim();
  const measure = () => {
    const { typeUrl, value } = encodeMetrics(cgroups);
    expect(typeUrl).to.equal("io.containerd.cgroups.v1.Metrics");
    return decodeV1(value);
  };
  /** Does some work in the cgroup, and then nothing more. */
  const work = async () => {
    const fds = cgroups.joinFds();
    const joins = fds.map((_, at) => `echo 0 >&${at + 3}`).join(" && ");
    const script = `${joins}; for i in {1..20000}; do :; done; echo done; exec sleep 60`;
    child = spawn("bash", ["-c", script], { stdio: ["ignore", "pipe", "inherit", ...fds] });
    for (const fd of fds) closeSync(fd);
    await new Promise((resolve) => child?.stdout?.once("data", resolve));
  };
  const stop = async () => {
    const ended = new Promise((resolve) => child?.once("exit", resolve));
    child?.kill("SIGKILL");
    if (child !== undefined) await ended;
    child = undefined;
  };

  before(function () {
    if (!existsSync(`${libexecDir()}/tsrunc.node`)) this.skip();
    if (process.getuid?.() !== 0 || cgroupHost().mode === "v2") this.skip();
  });
  beforeEach(() => {
    const host = cgroupHost();
    cgroups = openCgroups({
      id: "c",
      cgroupsPath: `${parent}/c`,
      systemd: false,
      rootless: false,
      native,
      host,
    });
  });
  afterEach(async () => {
    if (cgroups === undefined) return;
    await stop();
    remove(cgroups);
    for (const path of new Set(Object.values(cgroups.paths))) {
      const above = path.slice(0, path.lastIndexOf("/"));
      if (existsSync(above)) rmdirSync(above);
    }
  });

  it("are what the files say, while it runs and after its end, until it is deleted", async () => {
    cgroups.create({ memory: { limit: 64 << 20 }, pids: { limit: 20 } });
    await work();
    const running = measure();
    expect(running.pids).to.deep.include({ current: 1, limit: 20 });
    expect(running.cpu?.usage?.total).to.be.within(1, Number(read("cpuacct", "cpuacct.usage")));
    const perCpu = running.cpu?.usage?.perCpu ?? [];
    expect(perCpu).to.have.length(read("cpuacct", "cpuacct.usage_percpu").split(" ").length);
    expect(perCpu.reduce((a, b) => a + b)).to.be.greaterThan(0);
    const { memory } = running;
    expect(memory?.usage).to.deep.include({ limit: 64 << 20, failcnt: 0 });
    expect(memory?.usage?.max).to.be.greaterThan(0);
    expect(memory?.hierarchicalMemoryLimit).to.equal(64 << 20);
    expect(memory?.totalRss).to.be.greaterThan(0);
    expect(memory?.pgFault).to.be.greaterThan(0);
    expect({ ...running.memoryOomControl }).to.deep.equal({});

    await stop();
    const stopped = measure();
    expect(stopped.pids?.current ?? 0).to.equal(0);
    expect(stopped.cpu?.usage?.total).to.be.at.least(running.cpu?.usage?.total ?? 0);
    remove(cgroups);
    expect(() => encodeMetrics(cgroups))
      .to.throw(RuntimeError)
      .with.property("code", "NotFound");
  });

  it("have no limit of processes as 0, as from the runc shim", () => {
    cgroups.create(undefined);
    const { pids, memory } = measure();
    expect(pids?.limit ?? 0).to.equal(0);
    expect(memory?.usage?.limit).to.equal(Number(read("memory", "memory.limit_in_bytes")));
  });

  it("say how many processes were killed", async () => {
    cgroups.create({ memory: { limit: 8 << 20, swap: 8 << 20 } });
    const fds = cgroups.joinFds();
    const joins = fds.map((_, at) => `echo 0 >&${at + 3}`).join(" && ");
    const script = `${joins} && x=$(head -c 64M /dev/zero | tr '\\0' x)`;
    child = spawn("bash", ["-c", script], { stdio: ["ignore", "ignore", "ignore", ...fds] });
    for (const fd of fds) closeSync(fd);
    await new Promise((resolve) => child?.once("exit", resolve));
    child = undefined;
    const { memoryOomControl } = measure();
    expect(memoryOomControl?.oomKill).to.be.greaterThan(0);
  });

  it("name block devices", () => {
    const text = "major minor  #blocks  name\n\n   8        0   1048576 sda\n   8 1 10 sda1\n";
    expect(parsePartitions(text)).to.deep.equal({ "8:0": "/dev/sda", "8:1": "/dev/sda1" });
  });
});

describe("rdma files", () => {
  it("are empty where there are none", () => {
    expect(readRdma("/nowhere/rdma.current")).to.deep.equal([]);
  });
});
