/** The delete command: what it refuses, what --force does, and that nothing is left (runtime-spec: delete). */
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { expect } from "chai";
import { withoutNamespace } from "../harness/bundle.ts";
import { container, sleeper } from "../harness/container.ts";
import { traces } from "../harness/leaks.ts";
import { cgroupDirectory, isAlive } from "../harness/processes.ts";
import { invoke } from "../harness/runtime.ts";
import { stateRoot } from "../harness/scratch.ts";
import { until } from "../harness/wait.ts";

describe("delete", () => {
  // The spec wants a refusal; runc, crun since 1.4 and containerd's runc shim count on a kill (opencontainers/runc#1774).
  it("of a created container does one of the two documented things, and that wholly", async () => {
    const c = sleeper();
    c.create().ok();
    const { pid } = c.state();
    const result = c.delete();
    if (result.status === 0) {
      await until("the init to end", () => !isAlive(pid));
      expect(c.status()).to.equal("absent");
      expect(traces(c.id)).to.deep.equal([]);
    } else {
      result.fails(/is not stopped: created/, 1);
      expect(c.status()).to.equal("created");
      c.start().ok();
      expect(c.status()).to.equal("running");
    }
  });

  it("twice: the second says that it does not exist", async () => {
    const c = sleeper();
    c.create().ok();
    c.delete(["--force"]).ok();
    c.delete().fails(/container does not exist/, 1);
  });

  it("touches neither the bundle nor the root filesystem", async () => {
    const c = container((config) => {
      config.process.args = ["/bin/true"];
    });
    const before = readdirSync(c.bundle.path);
    c.up();
    await c.reaches("stopped");
    c.delete().ok();
    expect(readdirSync(c.bundle.path)).to.deep.equal(before);
    expect(existsSync(`${c.bundle.config.root.path}/probe`)).to.equal(true);
  });

  it("keeps the state root", () => {
    const c = sleeper();
    c.create().ok();
    c.delete(["--force"]).ok();
    expect(existsSync(stateRoot())).to.equal(true);
  });

  it("removes sub-cgroups that the container's processes made", async () => {
    const c = sleeper().up();
    const directory = cgroupDirectory(c.state().pid, "pids");
    mkdirSync(`${directory}/inner/deeper`, { recursive: true });
    c.kill("KILL").ok();
    await c.reaches("stopped");
    c.delete().ok();
    expect(existsSync(directory)).to.equal(false);
  });
});

describe("delete --force", () => {
  it("kills a running container with all its processes", async () => {
    const c = container((config) => {
      config.process.args = [
        "/probe",
        "ignore-term",
        "+",
        "orphan",
        "+",
        "children",
        "3",
        "+",
        "sleep",
      ];
    });
    c.up();
    await c.prints(/"action":"children"/);
    c.delete(["--force"]).ok();
    expect(c.status()).to.equal("absent");
    expect(traces(c.id)).to.deep.equal([]);
  });

  it("kills a running container that shares the host's PID namespace", async () => {
    const c = container((config) => {
      withoutNamespace(config, "pid");
      config.process.args = ["/probe", "orphan", "+", "children", "2", "+", "sleep"];
    });
    c.up();
    await c.prints(/"action":"children"/);
    c.delete(["-f"]).ok();
    expect(traces(c.id)).to.deep.equal([]);
  });

  it("removes a paused container", () => {
    const c = sleeper().up();
    c.pause().ok();
    c.delete(["--force"]).ok();
    expect(traces(c.id)).to.deep.equal([]);
  });

  it("removes a stopped container", async () => {
    const c = sleeper().up();
    c.kill("KILL").ok();
    await c.reaches("stopped");
    c.delete(["--force"]).ok();
    expect(traces(c.id)).to.deep.equal([]);
  });

  it("removes a container whose bundle has gone", () => {
    const c = sleeper().up();
    rmSync(c.bundle.path, { recursive: true });
    c.delete(["--force"]).ok();
    expect(traces(c.id)).to.deep.equal([]);
  });

  it("removes a container whose cgroup was removed behind its back", async () => {
    const c = sleeper().up();
    const directory = cgroupDirectory(c.state().pid, "pids");
    c.kill("KILL").ok();
    await c.reaches("stopped");
    invoke(["state", c.id]).ok();
    const { rmdirSync } = await import("node:fs");
    rmdirSync(directory);
    c.delete(["--force"]).ok();
    expect(traces(c.id)).to.deep.equal([]);
  });

  it("removes an empty state directory that a crash left", () => {
    const c = sleeper();
    c.create().ok();
    c.delete(["--force"]).ok();
    mkdirSync(c.stateDirectory(), { mode: 0o700 });
    c.delete(["--force"]).ok();
    expect(existsSync(c.stateDirectory())).to.equal(false);
  });
});
