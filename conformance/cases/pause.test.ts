/** The pause and resume commands. */
import { expect } from "chai";
import { container, sleeper } from "../harness/container.ts";
import { isAlive } from "../harness/processes.ts";
import { sleep } from "../harness/wait.ts";

/** A container that prints a line every few milliseconds. */
function ticker() {
  return container((config) => {
    config.process.args = ["/bin/sh", "-c", "while true; do echo tick; usleep 5000; done"];
  }).up();
}

describe("pause and resume", () => {
  it("stop and continue every process", async () => {
    const c = ticker();
    await c.prints(/tick/);
    c.pause().ok();
    const before = c.output().length;
    await sleep(150); // thirty ticks
    expect(c.output().length).to.equal(before);
    c.resume().ok();
    await c.prints(new RegExp(`^[^]{${before + 10}}`));
    expect(isAlive(c.state().pid)).to.equal(true);
  });

  it("stop many processes that fork and compete for the processors", async () => {
    const c = container((config) => {
      const fork = "while true; do (echo tick); done";
      config.process.args = ["/bin/sh", "-c", `for i in $(seq 40); do ${fork} & done; wait`];
    }).up();
    await c.prints(/tick/);
    for (let round = 0; round < 3; round++) {
      c.pause().ok();
      expect(c.status()).to.equal("paused");
      c.resume().ok();
    }
  });

  it("pause of a paused container fails", () => {
    const c = sleeper().up();
    c.pause().ok();
    c.pause().fails(/container not running/, 1);
    expect(c.status()).to.equal("paused");
  });

  it("resume of a running container fails", () => {
    const c = sleeper().up();
    c.resume().fails(/container not paused/, 1);
    expect(c.status()).to.equal("running");
  });

  it("pause of a stopped container fails", async () => {
    const c = sleeper().up();
    c.kill("KILL").ok();
    await c.reaches("stopped");
    c.pause().fails(/container not running/, 1);
    c.resume().fails(/container not paused/, 1);
  });

  it("a created container can be paused, resumed, and then started", async () => {
    const c = container((config) => {
      config.process.args = ["/probe", "say", "started"];
    });
    c.create().ok();
    c.pause().ok();
    expect(c.status()).to.equal("paused");
    c.resume().ok();
    expect(c.status()).to.equal("created");
    c.start().ok();
    await c.prints(/started/);
  });
});
