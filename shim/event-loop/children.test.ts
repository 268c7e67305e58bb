/** Reaping, with real processes: every status gets to whoever asks, whenever that is. */
import * as fs from "node:fs";
import { expect } from "chai";
import { libexecDir, loadNative, type NativeBinding } from "../../runtime/native/binding.ts";
import { PLAN_ABI } from "../../schemas/generated/plan.ts";
import { type Children, watchChildren } from "./children.ts";
import { type Reactor, startReactor } from "./reactor.ts";

const SIGKILL = 9;

process.env["TSRUNC_LIBEXEC"] ??= `${process.cwd()}/dist/libexec/tsrunc`;
const isBuilt = fs.existsSync(`${libexecDir()}/tsrunc.node`);

let kernel: NativeBinding;
let reactor: Reactor;
let children: Children;

function spawnWith(native: NativeBinding, script: string, output = -1): number {
  const child = native.spawn({
    file: "/bin/sh",
    argv: ["sh", "-c", script],
    env: ["PATH=/usr/bin:/bin"],
    stdio: [-1, output, 2],
    keepFds: [],
    cloneFlags: 0,
    cgroupFd: -1,
  });
  fs.closeSync(child.pidfd);
  return child.pid;
}

function spawn(script: string): number {
  return spawnWith(children.native, script);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Until no such process exists, not even one that has to be reaped. */
async function gone(pid: number): Promise<void> {
  while (fs.existsSync(`/proc/${pid}`)) await pause(5);
}

async function codeOf(action: () => unknown): Promise<unknown> {
  try {
    await action();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
}

describe("shim/event-loop/children", () => {
  before(function () {
    if (!isBuilt) this.skip();
    kernel = loadNative(PLAN_ABI);
  });

  beforeEach(() => {
    reactor = startReactor(kernel);
    children = watchChildren(kernel, reactor);
  });

  afterEach(() => reactor.stop());

  it("gives the status of a child that ends later, and of one that has ended long ago", async () => {
    const before = Date.now();
    const late = children.exit(spawn("sleep 0.05; exit 3"));
    const { status, at } = await late;
    expect(status).to.equal(3);
    expect(at.getTime()).to.be.within(before + 50, Date.now());

    const early = spawn("exit 4");
    await gone(early);
    expect((await children.exit(early)).status).to.equal(4);
    expect(await codeOf(() => children.exit(early)), "asked for twice").to.equal("ECHILD");
  });

  it("reports signals as 128 and their number", async () => {
    const pid = spawn("exec sleep 100");
    const exit = children.exit(pid);
    kernel.kill(pid, SIGKILL);
    expect((await exit).status).to.equal(128 + SIGKILL);
  });

  it("answers waitPid for what it has reaped, and lets it reap", async () => {
    const reaped = spawn("exit 5");
    await gone(reaped);
    expect(children.native.waitPid(reaped, true)).to.equal(5);
    expect(await codeOf(() => children.native.waitPid(reaped, true))).to.equal("ECHILD");

    // blocks, so that nothing else can have reaped it
    expect(children.native.waitPid(spawn("exit 6"), false)).to.equal(6);

    const alive = spawn("exec sleep 100");
    expect(children.native.waitPid(alive, true)).to.equal(undefined);
    const exit = children.exit(alive);
    kernel.kill(alive, SIGKILL);
    expect((await exit).status).to.equal(128 + SIGKILL);
  });

  it("tells both who waits and who reaps", async () => {
    const pid = spawn("sleep 0.05; exit 7");
    const exit = children.exit(pid);
    expect(children.native.waitPid(pid, false)).to.equal(7);
    expect((await exit).status).to.equal(7);
  });

  it("keeps the end of a child that nobody has announced, and opens it as one that has ended", async () => {
    const pid = spawnWith(kernel, "exit 8");
    await gone(pid);
    const pidfd = children.native.openPidfd(pid);
    expect(kernel.poll([pidfd], 0)).to.deep.equal([pidfd]);
    expect(await reactor.waiter.wait([pidfd], -1)).to.deep.equal([pidfd]);
    fs.closeSync(pidfd);
    expect((await children.exit(pid)).status).to.equal(8);
    expect(await codeOf(() => children.native.openPidfd(pid))).to.equal("ESRCH");

    const asked = spawnWith(kernel, "exit 9");
    await gone(asked);
    expect((await children.exit(asked)).status).to.equal(9);
  });

  it("adopts a child by openPidfd, dead or alive, and nobody else's", async () => {
    const pid = spawnWith(kernel, "exec sleep 100");
    const pidfd = children.native.openPidfd(pid);
    kernel.signalPidfd(pidfd, SIGKILL);
    await gone(pid);
    fs.closeSync(pidfd);
    expect((await children.exit(pid)).status).to.equal(128 + SIGKILL);

    fs.closeSync(children.native.openPidfd(1));
    expect(await codeOf(() => children.exit(1))).to.equal("ECHILD");
  });

  it("reaps orphans, and loses nothing when 200 end at once", async () => {
    kernel.setSubreaper(true);
    const [read, write] = kernel.pipe();
    const parent = spawnWith(children.native, "sleep 0.05 & echo $!", write);
    fs.closeSync(write);
    const orphan = Number(fs.readFileSync(read, "utf8"));
    fs.closeSync(read);
    expect((await children.exit(parent)).status).to.equal(0);
    await gone(orphan);
    kernel.setSubreaper(false);

    const pids = Array.from({ length: 200 }, (_, index) => spawn(`exit ${index}`));
    await pause(20);
    const exits = await Promise.all(pids.map((pid) => children.exit(pid)));
    expect(exits.map(({ status }) => status)).to.deep.equal(pids.map((_, index) => index));
  }).timeout(20_000);

  it("forgets an old end when its number is given to a new child", async () => {
    const old = spawnWith(kernel, "exit 10");
    await gone(old);
    let isReused = true;
    try {
      fs.writeFileSync("/proc/sys/kernel/ns_last_pid", String(old - 1));
    } catch {
      isReused = false; // not root, or another namespace's
    }
    const pid = spawn("exit 11");
    if (isReused && pid === old) {
      expect((await children.exit(pid)).status).to.equal(11);
      expect(await codeOf(() => children.exit(pid))).to.equal("ECHILD");
    } else {
      expect((await children.exit(pid)).status).to.equal(11);
    }
  });

  it("leaves failed starts to spawn", async () => {
    const options = { argv: ["x"], env: [], keepFds: [], cloneFlags: 0, cgroupFd: -1 };
    const spawnMissing = () =>
      children.native.spawn({ ...options, file: "/nonexistent", stdio: [-1, -1, -1] });
    expect(await codeOf(spawnMissing)).to.equal("ENOENT");
    expect(kernel.reapAny()).to.equal(undefined);
  });
});
