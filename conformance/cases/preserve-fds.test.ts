/** --preserve-fds and LISTEN_FDS: descriptors that are meant to reach the program. */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { container, runReport, sleeper } from "../harness/container.ts";
import { parseReport } from "../harness/probe.ts";
import { scratchPath } from "../harness/scratch.ts";

describe("--preserve-fds", () => {
  let opened: number[] = [];
  let paths: string[] = [];

  beforeEach(() => {
    paths = [0, 1, 2].map((i) => {
      const path = scratchPath("fd");
      writeFileSync(path, `file ${i}`);
      return path;
    });
    opened = paths.map((path) => openSync(path, "r"));
  });

  afterEach(() => {
    for (const fd of opened) closeSync(fd);
  });

  it("run passes exactly that many, from 3 on", () => {
    const result = container().run(["--preserve-fds", "2"], { fds: opened }).ok();
    const { fds } = parseReport(result.stdout);
    expect(fds.map(({ fd }) => fd)).to.deep.equal([0, 1, 2, 3, 4]);
    expect(fds.every(({ cloexec }) => !cloexec)).to.equal(true);
  });

  it("create keeps them for start", async () => {
    const c = container((config) => {
      config.process.args = ["/probe", "gate", "4"];
    });
    c.create(["--preserve-fds=3"], { fds: opened }).ok();
    c.start().ok();
    await c.prints(/"target":"file 1"/);
  });

  it("exec passes them too", () => {
    const c = sleeper().up();
    const result = c
      .exec(["/probe", "report", "fds"], ["--preserve-fds", "1"], { fds: opened })
      .ok();
    expect(parseReport(result.stdout).fds.map(({ fd }) => fd)).to.deep.equal([0, 1, 2, 3]);
    const read = c.exec(["/probe", "gate", "3"], ["--preserve-fds", "1"], { fds: opened }).ok();
    expect(read.stdout).to.match(/"target":"file 0"/);
  });

  it("refuses a number whose descriptors are not open", () => {
    container().create(["--preserve-fds", "20"], { fds: opened }).fails(undefined, 1);
  });

  it("LISTEN_FDS passes sockets on and says so in the environment", () => {
    // systemd's protocol: LISTEN_PID must be the process that is meant.
    const wrapper = ["/bin/sh", "-c", 'export LISTEN_FDS=2 LISTEN_PID=$$; exec "$@"', "sh"];
    const report = parseReport(container().run([], { fds: opened, wrapper }).ok().stdout);
    expect(report.env).to.include.members(["LISTEN_FDS=2", "LISTEN_PID=1"]);
    expect(report.fds.map(({ fd }) => fd)).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it("LISTEN_FDS that is meant for another process is not passed on", () => {
    const env = { LISTEN_FDS: "2", LISTEN_PID: "1" };
    const report = parseReport(container().run([], { fds: opened, env }).ok().stdout);
    expect(report.env.join(" ")).to.not.include("LISTEN");
    expect(report.fds.map(({ fd }) => fd)).to.deep.equal([0, 1, 2]);
  });

  it("without either the environment has no LISTEN_FDS", () => {
    expect(runReport().env.join(" ")).to.not.include("LISTEN");
  });
});
