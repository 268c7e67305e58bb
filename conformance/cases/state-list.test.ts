/** What state, list and ps print, in the shapes that callers parse. */
import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import { expect } from "chai";
import { container, type State, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { processesOf } from "../harness/processes.ts";
import { requires } from "../harness/requires.ts";
import { invoke } from "../harness/runtime.ts";
import { scratchPath } from "../harness/scratch.ts";

const rfc3339Nano = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

describe("state", () => {
  it("prints the members that the spec and runc's callers expect", () => {
    const c = sleeper((config) => {
      config.annotations = { "com.example.key": "value" };
    });
    c.create().ok();
    const state = c.state();
    expect(state).to.have.all.keys(
      "ociVersion",
      "id",
      "pid",
      "status",
      "bundle",
      "rootfs",
      "created",
      "annotations",
      "owner",
    );
    expect(state.ociVersion).to.match(/^1\.\d+\.\d+/);
    expect(state.id).to.equal(c.id);
    expect(state.pid).to.be.a("number").greaterThan(1);
    expect(state.bundle).to.equal(c.bundle.path);
    expect(state.rootfs).to.equal(c.bundle.config.root.path);
    expect(state.created).to.match(rfc3339Nano);
    expect(Math.abs(Date.parse(state.created) - Date.now())).to.be.lessThan(30_000);
    expect(state.annotations).to.deep.equal({ "com.example.key": "value" });
    expect(state.owner).to.equal("");
  });

  it("keeps its creation time", async () => {
    const c = sleeper();
    c.create().ok();
    const { created } = c.state();
    c.start().ok();
    expect(c.state().created).to.equal(created);
    c.kill("KILL").ok();
    await c.reaches("stopped");
    expect(c.state().created).to.equal(created);
  });

  it("prints one JSON document and nothing else", () => {
    const c = sleeper();
    c.create().ok();
    const result = c.command("state").ok();
    expect(result.stderr).to.equal("");
    expect(() => JSON.parse(result.stdout)).to.not.throw();
  });

  it("shows paused", () => {
    const c = sleeper().up();
    c.pause().ok();
    expect(c.status()).to.equal("paused");
    c.resume().ok();
    expect(c.status()).to.equal("running");
  });

  it("shows stopped as soon as the init is a zombie that nobody has reaped", async () => {
    const c = container((config) => {
      config.process.args = ["/bin/true"];
    });
    c.up();
    await c.reaches("stopped");
    expect(c.state().pid).to.equal(0);
  });
});

describe("list", () => {
  /** Rows of the JSON list that belong to these containers. */
  function rows(root?: string): State[] {
    const options = root === undefined ? {} : { root };
    return (JSON.parse(invoke(["list", "--format", "json"], options).ok().stdout) ?? []) as State[];
  }

  it("--format json is one line with an array of states", async () => {
    const created = sleeper();
    created.create().ok();
    const running = sleeper().up();
    const stopped = sleeper().up();
    stopped.kill("KILL").ok();
    await stopped.reaches("stopped");
    const result = invoke(["list", "-f", "json"]).ok();
    expect(result.stdout.trim().split("\n")).to.have.length(1);
    for (const [c, status] of [
      [created, "created"],
      [running, "running"],
      [stopped, "stopped"],
    ] as const) {
      const row = rows().find(({ id }) => id === c.id);
      expect(row?.status).to.equal(status);
      expect(row).to.include.keys(
        "ociVersion",
        "id",
        "pid",
        "status",
        "bundle",
        "rootfs",
        "created",
        "owner",
      );
      expect(row?.pid).to.equal(c.state().pid);
      expect(row?.owner).to.equal(userInfo().username);
    }
  });

  it("prints a table with six columns by default", () => {
    const c = sleeper().up();
    const lines = invoke(["list"]).ok().stdout.trimEnd().split("\n");
    expect(lines[0]?.trim().split(/\s+/)).to.deep.equal([
      "ID",
      "PID",
      "STATUS",
      "BUNDLE",
      "CREATED",
      "OWNER",
    ]);
    const fields = lines
      .find((line) => line.startsWith(`${c.id} `))
      ?.trim()
      .split(/\s+/);
    const state = c.state();
    expect(fields).to.deep.equal([
      c.id,
      String(state.pid),
      "running",
      c.bundle.path,
      state.created,
      userInfo().username,
    ]);
  });

  it("--quiet prints ids only", () => {
    const first = sleeper();
    const second = sleeper();
    first.create().ok();
    second.create().ok();
    const ids = invoke(["list", "-q"]).ok().stdout.trim().split("\n");
    expect(ids).to.include.members([first.id, second.id]);
    expect(ids.every((id) => /^[\w+.-]+$/.test(id))).to.equal(true);
  });

  it("of an empty root: an empty table, no ids, null in JSON", () => {
    const root = scratchPath("empty-root");
    const c = sleeper();
    c.command("create", ["--bundle", c.bundle.path], [], { root }).ok();
    c.command("delete", ["--force"], [], { root }).ok();
    expect(invoke(["list", "--quiet"], { root }).ok().stdout).to.equal("");
    expect(invoke(["list"], { root }).ok().stdout.trim().split("\n")).to.have.length(1);
    expect(invoke(["list", "--format=json"], { root }).ok().stdout.trim()).to.equal("null");
  });

  it(
    "of a root that does not exist fails when it was named",
    known("runc <1.2", "prints an empty list; newer runc reports the mistyped path", () => {
      const root = scratchPath("no-root");
      invoke(["list"], { root }).fails(/no such file/, 1);
      expect(existsSync(root)).to.equal(false);
    }),
  );

  it("refuses an unknown format", () => {
    sleeper().create().ok();
    invoke(["list", "--format", "xml"]).fails(/invalid format/, 1);
  });
});

describe("ps", () => {
  it("--format json prints the host pids of all processes, exec included", async () => {
    const c = container((config) => {
      config.process.args = ["/probe", "children", "2", "+", "sleep"];
    });
    c.up();
    await c.prints(/"action":"children"/);
    c.exec(["/probe", "sleep"], ["--detach"]).ok();
    const pids = JSON.parse(c.command("ps", ["--format", "json"]).ok().stdout) as number[];
    expect(pids).to.have.members(processesOf("none", c.id, "/no/such/path"));
    expect(pids).to.have.length(4).and.include(c.state().pid);
  });

  it("prints the host's ps table with only the container's rows", function () {
    // User-Mode Linux tells no boot time, and procps gives up.
    requires({ works: ["ps", "-ef"] }).call(this);
    const c = sleeper().up();
    const lines = c.command("ps").ok().stdout.trimEnd().split("\n");
    expect(lines).to.have.length(2);
    expect(lines[0]).to.match(/\bPID\b/);
    expect(lines[1]?.split(/\s+/)).to.include(String(c.state().pid));
  });

  it("passes options on to ps", () => {
    const c = sleeper().up();
    const lines = c.command("ps", [], ["-o", "pid,comm"]).ok().stdout.trimEnd().split("\n");
    expect(lines[0]?.trim().split(/\s+/)).to.deep.equal(["PID", "COMMAND"]);
    expect(lines[1]?.trim().split(/\s+/)).to.deep.equal([String(c.state().pid), "probe"]);
  });
});
