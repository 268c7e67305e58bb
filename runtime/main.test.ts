import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const program = fileURLToPath(new URL("./main.js", import.meta.url));

describe("main", () => {
  let dir = "";
  before(() => {
    dir = mkdtempSync(`${tmpdir()}/main-`);
  });
  after(() => rmSync(dir, { recursive: true }));

  function tsrunc(argv: readonly string[], argv0 = "tsrunc"): SpawnSyncReturns<string> {
    return spawnSync(process.execPath, [program, ...argv], { argv0, encoding: "utf8", cwd: dir });
  }
  function withRoot(...argv: string[]): SpawnSyncReturns<string> {
    return tsrunc(["--root", dir, ...argv]);
  }

  it("ends with 1 and one line of runc's text format on failure", () => {
    const { status, stdout, stderr } = withRoot("state", "none");
    expect(status).to.equal(1);
    expect(stdout).to.equal("");
    expect(stderr).to.match(
      /^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=error msg="container does not exist"\n$/,
    );
  });
  it("leaves exactly one JSON object in a log file and the bare text on standard error", () => {
    const log = `${dir}/log.json`;
    const { stderr } = withRoot("--log", log, "--log-format", "json", "state", "none");
    expect(stderr).to.equal("container does not exist\n");
    const entry = JSON.parse(readFileSync(log, "utf8"));
    expect(Object.keys(entry)).to.deep.equal(["level", "msg", "time"]);
    expect(entry).to.include({ level: "error", msg: "container does not exist" });
  });
  it("says that its output is lost, and fails", () => {
    const full = openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(process.execPath, [program, "--root", dir, "list"], {
      encoding: "utf8",
      stdio: ["ignore", full, "pipe"],
    });
    closeSync(full);
    expect(status).to.equal(1);
    expect(stderr).to.match(/msg="write standard output: ENOSPC \(no space left on device\)"\n$/);
  });
  it("ends with 255 when an exec cannot be done", () => {
    const { status, stderr } = withRoot("exec", "none", "ls");
    expect(status).to.equal(255);
    expect(stderr).to.include("exec failed: container does not exist");
  });
  it("ends with 0 when told to delete what is not there, with force", () => {
    expect(withRoot("delete", "--force", "none").status).to.equal(0);
    expect(withRoot("delete", "none").status).to.equal(1);
  });
  it("ends with 3 for an unknown command", () => {
    const { status, stderr } = tsrunc(["bogus"]);
    expect(status).to.equal(3);
    expect(stderr).to.include("No help topic for 'bogus'");
  });
  it("prints help and ends with 1 on wrong usage", () => {
    const few = tsrunc(["state"]);
    expect(few.status).to.equal(1);
    expect(few.stdout).to.match(/^Incorrect Usage\.\n\nNAME:\n {3}tsrunc state/);
    expect(few.stderr).to.include('\\"state\\" requires exactly 1 argument(s)');
    const unknown = tsrunc(["state", "--bogus", "c1"]);
    expect(unknown.status).to.equal(1);
    expect(unknown.stdout).to.match(
      /^Incorrect Usage: flag provided but not defined: -bogus\n\nNAME:/,
    );
  });
  it("says what podman looks for when probing restore", () => {
    const { status, stdout, stderr } = tsrunc(["restore", "--lsm-mount-context"]);
    expect(status).to.equal(1);
    expect(stdout + stderr).to.include("flag needs an argument: -lsm-mount-context");
  });
  for (const argv of [[], ["help"], ["-h"], ["checkpoint", "--help"], ["help", "restore"]]) {
    it(`prints help and ends with 0 for "${argv.join(" ")}"`, () => {
      const { status, stdout, stderr } = tsrunc(argv);
      expect([status, stderr]).to.deep.equal([0, ""]);
      expect(stdout).to.match(/^NAME:\n {3}tsrunc/);
    });
  }
  it("prints the version", () => {
    expect(tsrunc(["--version"]).stdout).to.match(/^tsrunc version \S+\n(commit: \S+\n)?spec: 1\./);
  });
  it("lists nothing as a title, null, or not at all", () => {
    expect(withRoot("list").stdout).to.match(/^ID +PID +STATUS +BUNDLE +CREATED +OWNER\n$/);
    expect(withRoot("list", "-f", "json").stdout).to.equal("null\n");
    expect(withRoot("list", "-q").stdout).to.equal("");
  });
  it("writes config.json once", () => {
    expect(tsrunc(["spec"]).status).to.equal(0);
    expect(existsSync(`${dir}/config.json`)).to.equal(true);
    const again = tsrunc(["spec"]);
    expect(again.status).to.equal(1);
    expect(again.stderr).to.include("File config.json exists. Remove it first");
  });
  it("says that checkpoint is not there yet", () => {
    const { status, stderr } = tsrunc(["checkpoint", "c1"]);
    expect(status).to.equal(1);
    expect(stderr).to.include("checkpoint is not supported");
  });
  it("notices that it was called as the shim", () => {
    const { status, stderr } = tsrunc([], "/usr/bin/containerd-shim-tsrunc-v2");
    expect(status).to.equal(1);
    expect(stderr.split("\n")).to.have.length(2);
  });
  it("fails clearly when the log cannot be opened", () => {
    const { status, stderr } = withRoot("--log", `${dir}/none/log`, "state", "c1");
    expect(status).to.equal(1);
    expect(stderr).to.include(`open log file ${dir}/none/log: ENOENT`);
  });
});
