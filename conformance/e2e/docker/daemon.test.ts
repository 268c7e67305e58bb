/** What containers go through when dockerd, containerd or a shim ends: live-restore, kill -9, restart policies. */
import { expect } from "chai";
import { isAlive, parentOf } from "../../harness/processes.ts";
import { eventually, sleep } from "../../harness/wait.ts";
import { type Container, shell, untilGone, up } from "./container.ts";
import { Daemon } from "./daemon.ts";
import { importImage } from "./image.ts";

const ticking = shell("i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done");

/** Lines of `docker logs` form 1, 2, 3 ... without a gap. */
async function expectNoGap(c: Container, atLeast: number): Promise<void> {
  const lines = (await c.logs()).trim().split("\n").map(Number);
  expect(lines.length).to.be.at.least(atLeast);
  expect(lines).to.deep.equal(lines.map((_, index) => index + 1));
}

describe("dockerd with live-restore", () => {
  let daemon: Daemon;

  before(async function () {
    this.timeout(60_000);
    daemon = new Daemon("live", { "live-restore": true });
    await daemon.start();
    await importImage(daemon);
  });

  after(() => daemon.stop());

  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    it(`${signal}: containers go on, with their output, status and policies`, async () => {
      const steady = await up([], ticking, daemon);
      const ending = await up([], shell("sleep 1; exit 44"), daemon);
      const again = await up(["--restart", "always"], ["sleep", "1000"], daemon);
      const pid = await steady.pid();
      const old = await again.pid();
      await daemon.stop(signal);
      await sleep(1500);
      expect(isAlive(pid)).to.equal(true);
      process.kill(old, "SIGKILL");
      await untilGone(old);
      await daemon.start();
      expect(await steady.pid()).to.equal(pid);
      // containerd clears away a shim that has nothing left to run, and its status with it.
      expect((await ending.reaches("exited")).ExitCode).to.be.oneOf([44, 255]);
      await eventually(
        "the new process",
        async () => {
          const state = await again.state();
          return state.Running && state.Pid !== old;
        },
        20_000,
      );
      expect(await steady.says(["echo", "well"])).to.equal("well");
      await eventually("lines from both sides", async () => (await steady.logs()).length > 70);
      await expectNoGap(steady, 20);
      (await steady.verb("stop", ["--time", "1"])).ok();
      expect((await steady.state()).Status).to.equal("exited");
      expect(isAlive(pid)).to.equal(false);
    });
  }

  it("containerd killed: dockerd starts another one, containers go on", async () => {
    const c = await up([], ticking, daemon);
    const pid = await c.pid();
    const containerd = daemon.containerdPid() ?? -1;
    process.kill(containerd, "SIGKILL");
    await eventually(
      "another containerd",
      async () => {
        const now = daemon.containerdPid();
        return now !== undefined && now !== containerd;
      },
      20_000,
    );
    await eventually("exec", async () => (await c.exec(["true"])).status === 0, 20_000);
    expect(await c.pid()).to.equal(pid);
    await expectNoGap(c, 5);
  });
});

describe("dockerd without live-restore", () => {
  let daemon: Daemon;

  before(async function () {
    this.timeout(60_000);
    daemon = new Daemon("plain");
    await daemon.start();
    await importImage(daemon);
  });

  after(() => daemon.stop());

  it("stops its containers when it ends, and starts those that are to run always", async () => {
    const always = await up(
      ["--restart", "always"],
      shell("trap 'exit 0' TERM; sleep 1000 & wait"),
      daemon,
    );
    const once = await up([], shell("trap 'exit 17' TERM; sleep 1000 & wait"), daemon);
    const pid = await always.pid();
    await daemon.stop();
    expect(isAlive(pid)).to.equal(false);
    await daemon.start();
    await always.reaches("running");
    expect(await once.state()).to.include({ Status: "exited", ExitCode: 17 });
    expect(await always.says(["echo", "well"])).to.equal("well");
  });

  it("killed: the next one ends what the last one left", async () => {
    const c = await up(["--stop-timeout", "1"], ["sleep", "1000"], daemon);
    const pid = await c.pid();
    await daemon.stop("SIGKILL");
    expect(isAlive(pid)).to.equal(true);
    await daemon.start();
    await c.reaches("exited");
    expect(isAlive(pid)).to.equal(false);
    await c.start();
    expect(await c.says(["echo", "well"])).to.equal("well");
  });

  it("a shim that is killed takes its container with it, and Docker sees that", async () => {
    const c = await up([], shell("sleep 1000 & wait"), daemon);
    const pid = await c.pid();
    process.kill(parentOf(pid), "SIGKILL");
    const state = await c.reaches("exited");
    expect(state.ExitCode).to.be.oneOf([137, 255]);
    await untilGone(pid);
    await c.start();
    expect(await c.says(["echo", "well"])).to.equal("well");
  });
});
