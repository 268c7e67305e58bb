/** The shim's `delete`: it works without the shim, any number of times, and prints only its answer. */
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { decode, numberIn } from "../e2e/containerd/wire.ts";
import { baseConfig, type Config, writeConfig } from "../harness/bundle.ts";
import { isAlive, readOrEmpty } from "../harness/processes.ts";
import { invoke } from "../harness/runtime.ts";
import { scratchDirectory, sharedRootfs } from "../harness/scratch.ts";
import { describeShim, endProcess, namespace, pathIn, shim, Task } from "../harness/shim.ts";

describeShim("shim delete", () => {
  function answerOf({ status, stdout, stderr }: SpawnSyncReturns<Buffer>, warnings = "") {
    expect([status, stderr.toString()]).to.deep.equal([0, warnings]);
    const answer = decode(stdout);
    expect(numberIn(answer, 2), "exit status").to.equal(137);
    const seconds = numberIn(decode(answer.get(3) as Buffer), 1);
    expect(seconds).to.be.closeTo(Date.now() / 1000, 5);
    return { pid: numberIn(answer, 1) };
  }

  /** Containers in the state that a shim leaves when it is killed. */
  function hosted(edit?: (config: Config) => void): { task: Task; pid: number; root: string } {
    const task = new Task();
    const root = scratchDirectory("root");
    const config = baseConfig();
    config.process.args = ["/probe", "sleep"];
    config.root = { path: sharedRootfs() };
    edit?.(config);
    writeConfig(task.bundle, config);
    writeFileSync(join(task.bundle, "options.json"), JSON.stringify({ root }));
    const pidFile = join(task.bundle, "init.pid");
    const create = ["create", "--bundle", task.bundle, "--pid-file", pidFile, task.id];
    invoke(create, { root: join(root, namespace) }).ok();
    invoke(["start", task.id], { root: join(root, namespace) }).ok();
    return { task, pid: Number(readFileSync(pidFile, "utf8")), root };
  }

  it("succeeds without anything to delete, any number of times", () => {
    const task = new Task();
    expect(answerOf(task.delete()).pid).to.equal(0);
    writeFileSync(join(task.bundle, "init.pid"), "4711");
    expect(answerOf(task.delete()).pid).to.equal(4711);
    expect(answerOf(task.delete()).pid).to.equal(4711);
  });

  it("deletes the container beside the working directory", () => {
    const task = new Task();
    writeFileSync(join(task.bundle, "init.pid"), "4711");
    const other = new Task(task);
    const done = spawnSync(shim, task.flags("delete"), { cwd: other.bundle });
    expect(answerOf(done).pid).to.equal(4711);
  });

  it("kills the container of a dead shim and runs its poststop hooks", async () => {
    const marker = join(scratchDirectory("hook"), "state");
    const { task, pid, root } = hosted((config) => {
      config.hooks = {
        poststop: [{ path: "/bin/sh", args: ["sh", "-c", `cat > ${marker}`] }],
      };
    });
    expect(isAlive(pid)).to.equal(true);
    const began = Date.now();
    expect(answerOf(task.delete()).pid).to.equal(pid);
    expect(Date.now() - began).to.be.below(2000);
    expect(isAlive(pid)).to.equal(false);
    expect(readdirSync(join(root, namespace))).to.deep.equal([]);
    expect(JSON.parse(readFileSync(marker, "utf8"))).to.include({
      id: task.id,
      status: "stopped",
    });
    expect(answerOf(task.delete()).pid).to.equal(pid);
  });

  it("does not wait for a poststop hook longer than containerd waits for us", () => {
    const { task, root } = hosted((config) => {
      config.hooks = { poststop: [{ path: "/bin/sleep", args: ["sleep", "6"] }] };
    });
    const began = Date.now();
    const { status, stdout, stderr } = task.delete();
    expect(Date.now() - began).to.be.below(4500);
    expect([status, stdout.length > 0]).to.deep.equal([0, true]);
    expect(stderr.toString()).to.include("gave up waiting");
    expect(readdirSync(join(root, namespace))).to.deep.equal([]);
  });

  it("unmounts the root file system with all that is mounted there", () => {
    const task = new Task();
    const rootfs = join(task.bundle, "rootfs");
    mkdirSync(rootfs);
    const mount = (...args: string[]) =>
      expect(spawnSync("mount", args).status, args.join(" ")).to.equal(0);
    mount("--bind", "--make-private", scratchDirectory("source"), rootfs);
    mount("-t", "tmpfs", "lower", rootfs);
    mkdirSync(join(rootfs, "below"));
    mount("-t", "tmpfs", "below", join(rootfs, "below"));
    mount("-t", "tmpfs", "upper", rootfs);
    answerOf(task.delete());
    expect(readOrEmpty("/proc/self/mountinfo")).to.not.include(rootfs);
    // an empty directory bound over it shows in no stat
    mount("--bind", scratchDirectory("empty"), rootfs);
    answerOf(task.delete());
    expect(readOrEmpty("/proc/self/mountinfo")).to.not.include(rootfs);
  });

  it("removes the socket of a shim that was killed, not of one that lives", async () => {
    const annotations = { "io.containerd.runc.v2.group": "g" };
    const first = new Task(undefined, annotations);
    const second = new Task(first, annotations);
    const path = pathIn(first.start());
    second.start();
    answerOf(second.delete());
    expect(existsSync(path)).to.equal(true);
    await endProcess(first.daemon(), "SIGKILL");
    answerOf(first.delete());
    expect(existsSync(path)).to.equal(false);
  });

  it("warns about what it cannot use, and goes on", () => {
    const task = new Task();
    writeFileSync(join(task.bundle, "options.json"), "{");
    const { status, stdout, stderr } = task.delete();
    expect([status, stdout.length > 0]).to.deep.equal([0, true]);
    expect(stderr.toString()).to.include("options.json");
  });
});
