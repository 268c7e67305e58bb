import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { expect } from "chai";
import { PLAN_ABI } from "../../schemas/generated/plan.ts";
import { RuntimeError } from "../base/errors.ts";
import { type CgroupHost, cgroupHost, ownDirectory } from "../host/cgroup-mode.ts";
import { loadNative, type NativeBinding } from "../native/binding.ts";
import type { CgroupManager } from "./manager.ts";
import { cgroupsFromPaths, openCgroups } from "./open.ts";
import { readStats } from "./read-stats.ts";
import { freeze, remove } from "./test-patience.ts";

const parent = `tsrunc-test-${process.pid}`;
const unifiedMount = "/sys/fs/cgroup/unified";
const isRoot = process.getuid?.() === 0;

/** The addon where it is built; else only what Node itself can do. */
function native(): NativeBinding {
  try {
    return loadNative(PLAN_ABI);
  } catch {
    const kill = (pid: number, signal: number) => process.kill(pid, signal);
    return { kill } as unknown as NativeBinding;
  }
}

function hasAddon(): boolean {
  return "setDeviceProgram" in native();
}

/** A process that joins by itself, as the runtime's child does, and says so. */
async function sleeper(fds: readonly number[], directory?: string): Promise<ChildProcess> {
  const join = fds.map((_, at) => `echo 0 >&${at + 3}`).join(" && ");
  const enter =
    directory === undefined ? join : `${join || "true"} && echo 0 > ${directory}/cgroup.procs`;
  const child = spawn("bash", ["-c", `${enter} && echo joined && exec sleep 60`], {
    stdio: ["ignore", "pipe", "inherit", ...fds],
  });
  for (const fd of fds) closeSync(fd);
  await new Promise((resolve, reject) => {
    child.stdout?.once("data", resolve);
    child.once("exit", () => reject(new Error("could not join")));
  });
  child.removeAllListeners("exit");
  return child;
}

function ended(child: ChildProcess): Promise<string | null> {
  return new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
}

function read(path: string): string {
  return readFileSync(path, "utf8").trim();
}

describe("cgroup v1 for real", () => {
  let host: CgroupHost;
  let cgroups: CgroupManager;
  const children: ChildProcess[] = [];
  const dir = (controller: string): string => cgroups.paths[controller] ?? "";
  const open = (path = `/${parent}/c`): CgroupManager =>
    openCgroups({ id: "c", cgroupsPath: path, systemd: false, rootless: false, native, host });

  before(function () {
    if (!isRoot) return skip(this, "needs root");
    host = cgroupHost();
    if (host.mode === "v2") return skip(this, "this host has no cgroup v1");
  });
  beforeEach(() => {
    cgroups = open();
  });
  afterEach(() => {
    if (cgroups === undefined) return;
    for (const child of children.splice(0)) child.kill("SIGKILL");
    if (cgroups.isFrozen()) cgroups.thaw();
    remove(cgroups);
    for (const path of new Set(Object.values(cgroups.paths))) {
      const above = path.slice(0, path.lastIndexOf("/"));
      if (existsSync(above)) rmdirSync(above);
    }
  });

  it("makes all hierarchies, with limits, devices and cpusets, and lets a process join itself", async () => {
    const warnings = cgroups.create({
      memory: { limit: 64 << 20, swap: 128 << 20, swappiness: 10 },
      cpu: { shares: 512, period: 50000, quota: 20000 },
      pids: { limit: 20 },
      devices: [{ allow: false, access: "rwm" }],
    });
    expect(warnings).to.deep.equal([]);
    expect(read(`${dir("memory")}/memory.limit_in_bytes`)).to.equal(String(64 << 20));
    expect(read(`${dir("memory")}/memory.memsw.limit_in_bytes`)).to.equal(String(128 << 20));
    expect(read(`${dir("cpu")}/cpu.cfs_quota_us`)).to.equal("20000");
    expect(read(`${dir("pids")}/pids.max`)).to.equal("20");
    const devices = read(`${dir("devices")}/devices.list`).split("\n");
    expect(devices).to.have.length(10).and.include("c 136:* rwm").and.not.include("a *:* rwm");
    expect(read(`${dir("cpuset")}/cpuset.cpus`)).to.not.equal("");

    const child = await sleeper(cgroups.joinFds());
    children.push(child);
    const membership = read(`/proc/${child.pid}/cgroup`);
    for (const name of host.hierarchies.map(({ controllers }) => controllers.join(","))) {
      if (name !== "") expect(membership).to.match(new RegExp(`:${name}:/${parent}/c(\n|$)`));
    }
    expect(cgroups.pids()).to.deep.equal([child.pid]);
    const { pids, memory, cpuset } = readStats(cgroups);
    expect(pids).to.deep.equal({ current: 1, limit: 20 });
    expect(memory.usage.limit).to.equal(64 << 20);
    expect(cpuset.cpus).to.not.be.empty;
  });

  it("rebuilds itself from recorded paths, freezes, kills what is frozen, and goes away", async () => {
    cgroups.create(undefined);
    const child = await sleeper(cgroups.joinFds());
    children.push(child);
    const rebuilt = cgroupsFromPaths("v1", JSON.parse(JSON.stringify(cgroups.paths)), native);
    freeze(rebuilt);
    expect(rebuilt.isFrozen()).to.equal(true);
    const end = ended(child);
    rebuilt.signalAll(9);
    expect(await end).to.equal("SIGKILL");
    remove(rebuilt);
    expect(rebuilt.exists()).to.equal(false);
    remove(rebuilt);
  });

  it("signals without thawing what somebody else has frozen", async () => {
    cgroups.create(undefined);
    const child = await sleeper(cgroups.joinFds());
    children.push(child);
    const end = ended(child);
    freeze(cgroups);
    cgroups.signalAll(15);
    expect(cgroups.isFrozen()).to.equal(true);
    cgroups.thaw();
    expect(await end).to.equal("SIGTERM");
  });

  it("refuses a cgroup with processes, and a frozen one", async () => {
    cgroups.create(undefined);
    const child = await sleeper(cgroups.joinFds());
    children.push(child);
    expect(() => open().create(undefined)).to.throw("cgroup is not empty: 1 process(es) found");
    const end = ended(child);
    cgroups.signalAll(9);
    await end;
    freeze(cgroups);
    expect(() => open().create(undefined)).to.throw("unexpectedly frozen");
    expect(cgroups.exists()).to.equal(true);
  });

  it("brings an existing cgroup's devices to the wanted state", () => {
    cgroups.create({ devices: [{ allow: true, type: "c", major: 7, minor: 7, access: "rw" }] });
    open().create({ devices: [{ allow: true, type: "c", major: 8, minor: 8, access: "r" }] });
    const devices = read(`${dir("devices")}/devices.list`).split("\n");
    expect(devices).to.include("c 8:8 r").and.not.include("c 7:7 rw");
    expect(devices).to.have.length(11);
    remove(cgroups);
    cgroups.create({ devices: [{ allow: true, access: "rwm" }] });
    expect(read(`${dir("devices")}/devices.list`)).to.equal("a *:* rwm");
  });

  it("undoes everything when a limit cannot be set, and says which", () => {
    const attempt = (): unknown =>
      cgroups.create({ hugepageLimits: [{ pageSize: "2MB", limit: 0 }] });
    if (dir("hugetlb") === "") {
      expect(attempt).to.throw(RuntimeError, "linux.resources.hugepageLimits[0]");
    }
    const bad = (): unknown => cgroups.create({ cpu: { cpus: "5000" } });
    expect(bad).to.throw(RuntimeError, 'cannot set linux.resources.cpu.cpus: write "5000" to');
    for (const path of Object.values(cgroups.paths)) expect(existsSync(path), path).to.equal(false);
    expect(existsSync(dir("pids").replace("/c", ""))).to.equal(false);
  });

  it("updates in any order of memory and swap, and takes back a half-done update", () => {
    cgroups.create({ memory: { limit: 32 << 20, swap: 32 << 20 }, pids: { limit: 7 } });
    const memory = (): string[] =>
      ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"].map((f) =>
        read(`${dir("memory")}/${f}`),
      );
    cgroups.update({ memory: { limit: 64 << 20, swap: 128 << 20 } });
    expect(memory()).to.deep.equal([String(64 << 20), String(128 << 20)]);
    cgroups.update({ memory: { limit: 16 << 20, swap: 16 << 20 } });
    expect(memory()).to.deep.equal([String(16 << 20), String(16 << 20)]);
    const half = { pids: { limit: 9 }, memory: { limit: 8 << 20, swap: 4 << 20 } };
    expect(() => cgroups.update(half))
      .to.throw(RuntimeError, "cannot set linux.resources.memory.swap")
      .with.property("hint", "memory+swap limit should be >= memory limit");
    expect(memory()).to.deep.equal([String(16 << 20), String(16 << 20)]);
    cgroups.update({ memory: { limit: -1 } });
    expect(Number(memory()[1])).to.be.greaterThan(2 ** 60);
    expect(read(`${dir("pids")}/pids.max`)).to.equal("7");
  });

  it("fills cpusets that somebody made and left empty, all the way up", () => {
    const above = dir("cpuset").slice(0, -2);
    mkdirSync(above);
    expect(read(`${above}/cpuset.cpus`)).to.equal("");
    cgroups.create(undefined);
    expect(read(`${dir("cpuset")}/cpuset.mems`)).to.equal(
      read("/sys/fs/cgroup/cpuset/cpuset.mems"),
    );
    expect(read(`${above}/cpuset.cpus`)).to.not.equal("");
  });

  it("kills those who are in the v1 cgroups only together with all others", async () => {
    cgroups.create(undefined);
    const both = await sleeper(cgroups.joinFds(), cgroups.paths[""]);
    const only = await sleeper(cgroups.joinFds());
    children.push(both, only);
    freeze(cgroups);
    const ends = [ended(both), ended(only)];
    cgroups.signalAll(9);
    expect(await Promise.all(ends)).to.deep.equal(["SIGKILL", "SIGKILL"]);
    remove(cgroups);
    cgroups.signalAll(9);
  });

  it("does without cgroups when rootless and nothing was asked for", () => {
    const rootless = (path?: string): CgroupManager =>
      openCgroups({ id: parent, cgroupsPath: path, systemd: false, rootless: true, native, host });
    process.seteuid?.(65534);
    try {
      const manager = rootless();
      manager.create(undefined);
      expect(manager.paths).to.deep.equal({});
      expect(manager.joinFds()).to.deep.equal([]);
      expect(manager.joinDirFd()).to.equal(-1);
      expect(manager.pids()).to.deep.equal([]);
      expect(manager.exists()).to.equal(false);
      remove(manager);
      const limited = rootless();
      expect(() => limited.create({ pids: { limit: 5 } })).to.throw(
        "no cgroup with the pids controller",
      );
      expect(() => rootless(`/${parent}/x`).create(undefined)).to.throw("EACCES");
    } finally {
      process.seteuid?.(0);
    }
  });

  it("lists and removes sub-cgroups, and exec goes where it is told", async () => {
    cgroups.create(undefined);
    mkdirSync(`${dir("devices")}/a`);
    mkdirSync(`${dir("devices")}/a/b`);
    const child = await sleeper(cgroups.joinFds({ subgroups: ["devices:a/b"] }));
    children.push(child);
    expect(read(`/proc/${child.pid}/cgroup`)).to.include(`:devices:/${parent}/c/a/b`);
    expect(cgroups.pids()).to.deep.equal([child.pid]);
    expect(cgroups.tryRemove()).to.equal(false);
    const end = ended(child);
    cgroups.signalAll(9);
    await end;
    remove(cgroups);
    expect(existsSync(dir("devices"))).to.equal(false);
  });

  it("reports out-of-memory kills", async function () {
    if (!hasAddon()) return skip(this, "the addon is not built");
    cgroups.create({ memory: { limit: 8 << 20, swap: 8 << 20 } });
    const source = cgroups.oomEvents();
    const fds = cgroups.joinFds();
    const join = fds.map((_, at) => `echo 0 >&${at + 3}`).join(" && ");
    const hog = spawn("bash", ["-c", `${join} && x=$(head -c 64M /dev/zero | tr '\\0' x)`], {
      stdio: ["ignore", "ignore", "ignore", ...fds],
    });
    for (const fd of fds) closeSync(fd);
    await ended(hog);
    const ready = native().poll(source.fds, 2000);
    expect(ready).to.have.length(1);
    expect(source.take().killed).to.be.greaterThan(0);
    remove(cgroups);
    expect(native().poll(source.fds, 2000)).to.have.length(1);
    expect(source.take()).to.deep.equal({ killed: 0, gone: true });
    source.close();
  });
});

describe("cgroup v2 for real", () => {
  let cgroups: CgroupManager;
  let child: ChildProcess | undefined;
  let host: CgroupHost;
  let mount: string;
  let home: string;
  let enabled: string | undefined;
  const open = (): CgroupManager =>
    openCgroups({
      id: "c",
      cgroupsPath: `/${parent}/c`,
      systemd: false,
      rootless: false,
      native,
      host,
    });
  const dir = (): string => cgroups.paths[""] ?? "";

  before(function () {
    if (!isRoot) return skip(this, "needs root");
    const found = cgroupHost();
    if (found.mode === "v1") return skip(this, "no cgroup2 mount");
    mount = found.mode === "v2" ? (found.hierarchies[0]?.mountPoint ?? "") : unifiedMount;
    enabled = read(`${mount}/cgroup.subtree_control`);
    const own = found.hierarchies.find((h) => h.controllers[0] === "");
    home = own === undefined ? mount : ownDirectory(own);
    host = { mode: "v2", hierarchies: [{ controllers: [""], mountPoint: mount, ownPath: "/" }] };
  });
  beforeEach(function () {
    if (!hasAddon()) return skip(this, "the addon is not built, and v2 needs it for devices");
    cgroups = open();
  });
  afterEach(() => {
    child?.kill("SIGKILL");
    child = undefined;
    if (cgroups !== undefined) remove(cgroups);
    if (mount !== undefined && existsSync(`${mount}/${parent}`)) rmdirSync(`${mount}/${parent}`);
  });
  after(() => {
    // create() switched the host's controllers on for its children; leave them as they were.
    if (enabled === undefined) return;
    const now = read(`${mount}/cgroup.subtree_control`).split(" ");
    for (const controller of now) {
      if (controller === "" || enabled.split(" ").includes(controller)) continue;
      writeFileSync(`${mount}/cgroup.subtree_control`, `-${controller}`);
    }
  });

  it("takes a process by its directory fd, freezes and kills it", async () => {
    cgroups.create({ devices: [{ allow: false, access: "rwm" }] });
    const fd = cgroups.joinDirFd();
    const started = native().spawn({
      file: "/bin/sleep",
      argv: ["sleep", "60"],
      env: [],
      stdio: [-1, -1, -1],
      keepFds: [],
      cloneFlags: 0,
      cgroupFd: fd,
    });
    closeSync(fd);
    expect(cgroups.pids()).to.deep.equal([started.pid]);
    expect(read(`/proc/${started.pid}/cgroup`)).to.match(new RegExp(`0::/${parent}/c$`));
    freeze(cgroups);
    expect(cgroups.isFrozen()).to.equal(true);
    expect(() => open().create(undefined)).to.throw("not empty");
    cgroups.signalAll(9);
    expect(native().waitPid(started.pid, false)).to.equal(137);
    closeSync(started.pidfd);
    remove(cgroups);
    expect(cgroups.exists()).to.equal(false);
  });

  it("denies devices that no rule allows", async () => {
    cgroups.create({ devices: [{ allow: false, access: "rwm" }] });
    child = await sleeper([], dir());
    writeFileSync(`${dir()}/cgroup.procs`, String(process.pid));
    const opens = (path: string) => () => closeSync(openSync(path, "r"));
    try {
      expect(opens("/dev/null")).to.not.throw();
      expect(opens("/dev/kmsg")).to.throw("EPERM");
    } finally {
      writeFileSync(`${home}/cgroup.procs`, String(process.pid));
    }
  });

  it("moves exec into the leaf that init has moved to", async function () {
    const controller = read(`${mount}/cgroup.controllers`).split(" ")[0];
    if (!controller) return skip(this, "no controller on the unified hierarchy");
    cgroups.create({ devices: [{ allow: true, access: "rwm" }] });
    expect(read(`${dir()}/cgroup.controllers`).split(" ")).to.include(controller);
    mkdirSync(`${dir()}/leaf`);
    child = await sleeper([], `${dir()}/leaf`);
    writeFileSync(`${dir()}/cgroup.subtree_control`, `+${controller}`);
    const fd = cgroups.joinDirFd({ initPid: child.pid ?? 0 });
    expect(readlinkSync(`/proc/self/fd/${fd}`)).to.equal(`${dir()}/leaf`);
    closeSync(fd);
    expect(cgroups.pids()).to.deep.equal([child.pid]);
  });

  it("says which controller a limit lacks", function () {
    if (read(`${mount}/cgroup.controllers`).includes("pids")) return skip(this, "has pids");
    expect(() => cgroups.create({ pids: { limit: 5 } }))
      .to.throw(RuntimeError, "cannot set linux.resources.pids.limit: no pids.max")
      .with.property("hint", "the pids controller is not available in this cgroup");
    expect(existsSync(`${mount}/${parent}`)).to.equal(false);
  });
});

function skip(context: Mocha.Context, reason: string): void {
  if (context.test !== undefined) context.test.title += ` (skipped: ${reason})`;
  context.skip();
}
