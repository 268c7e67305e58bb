/** The life of a container: create, start, state, kill, delete, and run with its exit statuses (runtime-spec: runtime.md). */
import { existsSync } from "node:fs";
import { expect } from "chai";
import { container, runReport, sleeper } from "../harness/container.ts";
import { traces } from "../harness/leaks.ts";
import { isAlive } from "../harness/processes.ts";

describe("lifecycle", () => {
  it("goes from created through running to stopped and leaves nothing after delete", async () => {
    const c = sleeper();
    c.create().ok();
    expect(c.status()).to.equal("created");
    const { pid } = c.state();
    expect(isAlive(pid)).to.equal(true);

    c.start().ok();
    expect(c.status()).to.equal("running");
    expect(c.state().pid, "the same process before and after start").to.equal(pid);

    c.kill("KILL").ok();
    await c.reaches("stopped");
    expect(c.state().pid).to.equal(0);

    c.delete().ok();
    expect(c.status()).to.equal("absent");
    expect(existsSync(c.stateDirectory())).to.equal(false);
    expect(traces(c.id)).to.deep.equal([]);
  });

  it("does not run the program before start", async () => {
    const c = container();
    c.create().ok();
    expect(c.output()).to.equal("");
    c.start().ok();
    const report = await c.report();
    expect(report.pid).to.equal(1);
  });

  it("lets the id of a deleted container be used again", async () => {
    const c = sleeper();
    for (let round = 0; round < 2; round++) {
      c.up();
      c.kill("KILL").ok();
      await c.reaches("stopped");
      c.delete().ok();
    }
  });

  it("gives the program as PID 1 of its namespace", () => {
    const report = runReport();
    expect(report.pid).to.equal(1);
    expect(report.ppid).to.equal(0);
  });
});
