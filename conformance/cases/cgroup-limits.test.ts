/** Limits that bite: what happens to a container that asks for more than its cgroup allows. */
import { expect } from "chai";
import { container, runActions, sleeper } from "../harness/container.ts";
import { cgroupDirectory, readOrEmpty } from "../harness/processes.ts";
import { requires } from "../harness/requires.ts";
import { until } from "../harness/wait.ts";

const mib = 1 << 20;

describe("limits in force", () => {
  it("pids.limit stops forks", function () {
    requires({ controllers: ["pids"] }).call(this);
    const [outcome] = runActions(["forkbomb", "50"], (config) => {
      config.linux.resources["pids"] = { limit: 10 };
    });
    expect(outcome?.errno).to.equal("EAGAIN");
    expect(outcome?.result).to.be.within(5, 9);
  });

  it("pids.limit counts what exec adds", async function () {
    requires({ controllers: ["pids"] }).call(this);
    const c = sleeper((config) => {
      // Room for the threads of a runtime that enters with its whole engine.
      config.linux.resources["pids"] = { limit: 40 };
    }).up();
    // Not waited for: the children hold the pipes of a runtime that copies through them.
    const launched = c.launchExec(["/probe", "children", "60"]);
    const line = await until("the outcome", () => /^{.*}$/m.exec(launched.stdout())?.[0]);
    expect(JSON.parse(line)).to.include({ errno: "EAGAIN", result: 38 });
    c.kill("KILL").ok();
    await launched.done;
  });

  it("memory.limit kills", function () {
    requires({ controllers: ["memory"] }).call(this);
    const [outcome] = runActions(["alloc-child", "200"], (config) => {
      config.linux.resources["memory"] = { limit: 50 * mib, swap: 50 * mib };
    });
    expect(outcome?.result).to.equal(137);
  });

  it("memory.limit that kills PID 1 ends the container with 137", function () {
    requires({ controllers: ["memory"] }).call(this);
    const c = container((config) => {
      config.process.args = ["/probe", "alloc", "200"];
      config.linux.resources["memory"] = { limit: 50 * mib, swap: 50 * mib };
    });
    expect(c.run().status).to.equal(137);
  });

  it("enough memory is enough", function () {
    requires({ controllers: ["memory"] }).call(this);
    const [outcome] = runActions(["alloc", "40"], (config) => {
      config.linux.resources["memory"] = { limit: 64 * mib };
    });
    expect(outcome?.errno).to.equal(null);
  });

  it("a container of a few MiB can be created, started and entered", function () {
    requires({ controllers: ["memory"] }).call(this);
    const c = sleeper((config) => {
      config.linux.resources["memory"] = { limit: 16 * mib };
    }).up();
    c.exec(["/probe", "say", "hello"]).ok();
    expect(c.status()).to.equal("running");
  });

  it("cpu.cpus is the program's affinity", function () {
    requires({ controllers: ["cpuset"] }).call(this);
    const c = container((config) => {
      config.linux.resources["cpu"] = { cpus: "0" };
      config.process.args = ["/bin/grep", "Cpus_allowed_list", "/proc/self/status"];
    });
    expect(c.run().ok().stdout).to.match(/:\s*0\n/);
  });

  it("cpu.quota throttles", async function () {
    requires({ controllers: ["cpu"] }).call(this);
    const c = sleeper((config) => {
      config.linux.resources["cpu"] = { quota: 5000, period: 100_000 };
      config.process.args = ["/bin/sh", "-c", "while true; do :; done"];
    }).up();
    const directory = cgroupDirectory(c.state().pid, "cpu");
    await until("a throttled period", () =>
      /^nr_throttled [1-9]/m.test(readOrEmpty(`${directory}/cpu.stat`)),
    );
  });
});
