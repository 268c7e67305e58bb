/** Kills by the kernel in real cgroups of the host's version, and in files that stand for a v2 cgroup. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { CgroupManager } from "../runtime/cgroups/manager.ts";
import { cgroupsFromPaths, openCgroups } from "../runtime/cgroups/open.ts";
import { remove } from "../runtime/cgroups/test-patience.ts";
import { cgroupHost } from "../runtime/host/cgroup-mode.ts";
import { libexecDir, type NativeBinding, openAddon } from "../runtime/native/binding.ts";
import { type Reactor, startReactor } from "./event-loop/reactor.ts";
import { type OomWatch, watchOom } from "./oom.ts";

process.env["TSRUNC_LIBEXEC"] ??= `${process.cwd()}/dist/libexec/tsrunc`;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const openFds = () => readdirSync("/proc/self/fd").length;

async function until(condition: () => boolean, timeoutMs = 5000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not in ${timeoutMs} ms: ${condition}`);
    await pause(2);
  }
}

function removed(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch {
    return false;
  }
}

/** Takes 64 MiB in a process of its own that joins through `fds`; resolves when that has ended. */
function hog(fds: readonly number[], directory?: string): Promise<void> {
  const joins = fds.map((_, at) => `echo 0 >&${at + 3}`);
  if (directory !== undefined) joins.push(`echo 0 > ${directory}/cgroup.procs`);
  const script = `${joins.join(" && ")} && x=$(head -c 64M /dev/zero | tr '\\0' x)`;
  const child: ChildProcess = spawn("bash", ["-c", script], {
    stdio: ["ignore", "ignore", "ignore", ...fds],
  });
  for (const fd of fds) closeSync(fd);
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

describe("watch for memory kills", () => {
  let native: NativeBinding;
  let reactor: Reactor;
  let kills = 0;
  const count = () => {
    kills++;
  };

  before(function () {
    if (!existsSync(`${libexecDir()}/tsrunc.node`)) this.skip();
    native = openAddon();
    reactor = startReactor(native);
  });
  beforeEach(() => {
    kills = 0;
  });
  after(() => reactor?.stop());

  describe("v1", () => {
    const parent = `/tsrunc-oom-${process.pid}`;
    let cgroups: CgroupManager;
    let watch: OomWatch | undefined;
    const memory = () => cgroups.paths["memory"] ?? "";
    const open = (path: string) => {
      const host = cgroupHost();
      return openCgroups({
        id: "c",
        cgroupsPath: path,
        systemd: false,
        rootless: false,
        native: () => native,
        host,
      });
    };

    before(function () {
      if (process.getuid?.() !== 0 || cgroupHost().mode === "v2") this.skip();
    });
    beforeEach(() => {
      cgroups = open(`${parent}/c`);
    });
    afterEach(() => {
      watch?.close();
      watch = undefined;
      remove(cgroups);
      for (const path of new Set(Object.values(cgroups.paths))) {
        const above = path.slice(0, path.lastIndexOf("/"));
        if (existsSync(above)) rmdirSync(above);
      }
    });

    it("tells of a kill while the container lives, and not of its removal", async () => {
      cgroups.create({ memory: { limit: 8 << 20, swap: 8 << 20 } });
      const fds = openFds();
      watch = watchOom(reactor, cgroups, count);
      await hog(cgroups.joinFds());
      await until(() => kills === 1);
      remove(cgroups);
      await until(() => openFds() === fds);
      watch.close();
      expect(kills).to.equal(1);
      expect(openFds()).to.equal(fds);
    });

    it("tells what is pending when it is closed, once", async () => {
      cgroups.create({ memory: { limit: 8 << 20, swap: 8 << 20 } });
      const fds = openFds();
      const deaf = { ...reactor, ready: () => new Promise<boolean>(() => undefined) };
      watch = watchOom(deaf, cgroups, count);
      await hog(cgroups.joinFds());
      expect(kills).to.equal(0);
      watch.close();
      watch.close();
      expect(kills).to.equal(1);
      expect(openFds()).to.equal(fds);
    });

    it("counts kills in cgroups below", async () => {
      cgroups.create({ memory: { limit: 8 << 20, swap: 8 << 20 } });
      const below = `${memory()}/below`;
      mkdirSync(below);
      watch = watchOom(reactor, cgroups, count);
      await hog(cgroups.joinFds(), below);
      await until(() => kills === 1);
    });

    it("is silent when a neighbour below the same limit is killed", async () => {
      cgroups.create(undefined);
      const above = memory().slice(0, memory().lastIndexOf("/"));
      writeFileSync(`${above}/memory.use_hierarchy`, "1", { flag: "r+" });
      writeFileSync(`${above}/memory.limit_in_bytes`, String(8 << 20), { flag: "r+" });
      writeFileSync(`${above}/memory.memsw.limit_in_bytes`, String(8 << 20), { flag: "r+" });
      const neighbour = `${above}/neighbour`;
      mkdirSync(neighbour);
      let notices = 0;
      const ready: Reactor["ready"] = async (fd, options) => {
        const isReady = await reactor.ready(fd, options);
        if (isReady) notices++;
        return isReady;
      };
      watch = watchOom({ ...reactor, ready }, cgroups, count);
      await hog([], neighbour);
      await until(() => notices > 0);
      await pause(300);
      watch.close();
      expect(kills).to.equal(0);
      // whoever dies holds it for a moment
      await until(() => removed(neighbour));
    });
  });

  describe("v2 for real", () => {
    let cgroups: CgroupManager;

    before(function () {
      if (process.getuid?.() !== 0 || cgroupHost().mode !== "v2") this.skip();
    });
    beforeEach(() => {
      cgroups = openCgroups({
        id: "c",
        cgroupsPath: `/tsrunc-oom-${process.pid}`,
        systemd: false,
        rootless: false,
        native: () => native,
      });
      cgroups.create({ memory: { limit: 8 << 20, swap: 8 << 20 } });
    });
    afterEach(() => {
      if (cgroups !== undefined) remove(cgroups);
    });

    it("tells of a kill while the container lives, and stops when it ends", async () => {
      const directory = cgroups.paths[""] ?? "";
      const script = `echo 0 > ${directory}/cgroup.procs; exec sleep 60`;
      const sleeper = spawn("bash", ["-c", script], { stdio: "ignore" });
      await until(() => cgroups.pids().length === 1);
      const fds = openFds();
      const watch = watchOom(reactor, cgroups, count);
      await hog([], directory);
      await until(() => kills > 0);
      const ended = new Promise((resolve) => sleeper.once("exit", resolve));
      sleeper.kill("SIGKILL");
      await ended;
      // the watch ends by itself: the cgroup is empty
      await until(() => openFds() === fds);
      watch.close();
      expect(kills).to.equal(1);
    });

    it("tells of the last kill when it is closed", async () => {
      const directory = cgroups.paths[""] ?? "";
      const deaf = { ...reactor, ready: () => new Promise<boolean>(() => undefined) };
      const watch = watchOom(deaf, cgroups, count);
      await hog([], directory);
      watch.close();
      expect(kills).to.equal(1);
    });
  });

  describe("v2", () => {
    let directory: string;
    let cgroups: CgroupManager;
    const put = (file: string, text: string) => writeFileSync(join(directory, file), text);
    const putKills = (number: number) =>
      put("memory.events", `low 0\nhigh 0\nmax 9\noom ${number}\noom_kill ${number}\n`);

    before(function () {
      if (native === undefined) this.skip();
    });
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), "shim-oom-"));
      cgroups = cgroupsFromPaths("v2", { "": directory }, () => native);
      put("cgroup.events", "populated 1\nfrozen 0\n");
      putKills(2);
    });
    afterEach(() => rmSync(directory, { recursive: true }));

    it("tells when the count grows, and stops when the last process has gone", async () => {
      const fds = openFds();
      const watch = watchOom(reactor, cgroups, count);
      put("cgroup.events", "populated 1\nfrozen 1\n");
      await pause(30);
      expect(kills).to.equal(0);
      putKills(5);
      await until(() => kills > 0);
      await pause(20);
      expect(kills).to.equal(1);
      put("cgroup.events", "populated 0\nfrozen 0\n");
      await until(() => openFds() === fds);
      watch.close();
      expect(kills).to.equal(1);
    });

    it("tells what is pending when it is closed", () => {
      const fds = openFds();
      const watch = watchOom(reactor, cgroups, count);
      putKills(3);
      watch.close();
      expect(kills).to.equal(1);
      expect(openFds()).to.equal(fds);
    });

    it("says when memory is not counted", () => {
      rmSync(join(directory, "memory.events"));
      const fds = openFds();
      expect(() => watchOom(reactor, cgroups, count)).to.throw(/ENOENT/);
      expect(openFds()).to.equal(fds);
    });
  });
});
