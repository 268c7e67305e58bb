/** The life of a container: create, start, state, kill, delete, and what each leaves (runtime-spec: runtime.md). */
import { existsSync } from "node:fs";
import { expect } from "chai";
import { ownRootfs, shareDirectory } from "../harness/bundle.ts";
import { container, runReport, sleeper } from "../harness/container.ts";
import { traces } from "../harness/leaks.ts";
import { parseReport } from "../harness/probe.ts";
import { commandOf, isAlive, parentOf } from "../harness/processes.ts";
import { stateRoot } from "../harness/scratch.ts";
import { onSubreaper } from "../harness/terminal.ts";
import { until } from "../harness/wait.ts";

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

  it("stops by itself when the program ends", async () => {
    const c = container((config) => {
      config.process.args = ["/probe", "exit", "3"];
    });
    c.up();
    await c.reaches("stopped");
    c.delete().ok();
  });

  it("keeps containers apart: deleting one leaves the other running", async () => {
    const first = sleeper().up();
    const second = sleeper().up();
    first.kill("KILL").ok();
    await first.reaches("stopped");
    first.delete().ok();
    expect(second.status()).to.equal("running");
    expect(traces(second.id)).to.not.deep.equal([]);
  });
});

describe("the config is frozen at create", () => {
  it("runs what the bundle said at create although config.json was changed before start", async () => {
    const c = container((config) => {
      config.process.args = ["/probe", "say", "first"];
    });
    c.create().ok();
    c.rewrite((config) => {
      config.process.args = ["/probe", "say", "second"];
    });
    c.start().ok();
    expect(await c.prints(/first|second/)).to.equal("first");
  });

  it("needs no config.json after create for start, state, kill and delete", async () => {
    const c = sleeper();
    c.create().ok();
    c.removeConfig();
    c.start().ok();
    expect(c.status()).to.equal("running");
    c.kill("KILL").ok();
    await c.reaches("stopped");
    c.delete().ok();
    expect(traces(c.id)).to.deep.equal([]);
  });

  it("finds the bundle in the current directory without --bundle", () => {
    const c = sleeper();
    c.command("create", [], [], { cwd: c.bundle.path }).ok();
    expect(c.state().bundle).to.equal(c.bundle.path);
  });

  it("accepts a relative bundle and shows it as absolute", () => {
    const c = sleeper();
    const parent = c.bundle.path.replace(/\/[^/]+$/, "");
    const name = c.bundle.path.slice(parent.length + 1);
    c.command("create", ["--bundle", name], [], { cwd: parent }).ok();
    expect(c.state().bundle).to.equal(c.bundle.path);
  });

  it("accepts a root.path relative to the bundle", () => {
    const c = container();
    const rootfs = ownRootfs(c.bundle.config, c.bundle.path);
    c.rewrite((config) => {
      config.root = { path: "rootfs" };
    });
    expect(parseReport(c.run().ok().stdout).pid).to.equal(1);
    expect(existsSync(rootfs)).to.equal(true);
  });
});

describe("processes after create", () => {
  it("leaves the container's init as the only child of a subreaper", async () => {
    const c = sleeper();
    const terminal = onSubreaper(c.createCommand());
    const left = await terminal.left();
    expect(left.status).to.equal(0);
    const { pid } = c.state();
    expect(left.children.trim().split(" ").map(Number)).to.deep.equal([pid]);
    expect(parentOf(pid)).to.equal(left.pid);

    c.start().ok();
    expect(parentOf(pid), "start does not change the parent").to.equal(left.pid);
    c.kill("KILL").ok();
    await c.reaches("stopped");
    await terminal.close();
  });

  it("lets nothing of the runtime run on after create and start", () => {
    const c = sleeper().up();
    const { pid } = c.state();
    expect(commandOf(pid)).to.match(/^\/probe sleep$/);
    const processes = traces().filter((trace) => trace.startsWith("process "));
    expect(processes).to.deep.equal([`process ${pid} /probe sleep`]);
  });

  it("shows an init whose name and arguments are replaced only at start", () => {
    const c = sleeper();
    c.create().ok();
    expect(commandOf(c.state().pid)).to.not.match(/probe/);
  });

  it("creates the state root with its parents", () => {
    const c = sleeper();
    c.create([], { root: `${stateRoot()}/deep/er` }).ok();
    c.command("delete", ["--force"], [], { root: `${stateRoot()}/deep/er` }).ok();
    expect(existsSync(`${stateRoot()}/deep/er/${c.id}`)).to.equal(false);
  });

  it("keeps the state directory closed to others", async () => {
    const c = sleeper();
    c.create().ok();
    const { statSync } = await import("node:fs");
    const mode = statSync(c.stateDirectory()).mode;
    expect(mode & 0o066, "neither readable nor writable for group and others").to.equal(0);
  });

  it("shares files through a bind mount while it runs", async () => {
    let shared = "";
    const c = container((config) => {
      shared = shareDirectory(config);
      config.process.args = ["/probe", "write", "/data/seen", "yes", "+", "sleep"];
    });
    c.up();
    await until("the container's file", () => existsSync(`${shared}/seen`));
  });
});
