/** process.cwd: made when it is missing, never relative, never outside of the container (CVE-2024-21626). */
import { closeSync, mkdirSync, openSync, statSync, symlinkSync } from "node:fs";
import { expect } from "chai";
import { ownRootfs } from "../harness/bundle.ts";
import { container, runReport, sleeper } from "../harness/container.ts";
import { traces } from "../harness/leaks.ts";

describe("process.cwd", () => {
  it("is made, with its parents and mode 0755, when it is missing", () => {
    let root = "";
    const report = runReport((config) => {
      root = ownRootfs(config);
      config.process.user = { uid: 1000, gid: 1000 };
      config.process.cwd = "/made/by/the/runtime";
    });
    expect(report.cwd).to.equal("/made/by/the/runtime");
    for (const path of ["/made", "/made/by/the/runtime"]) {
      const made = statSync(root + path);
      expect([made.mode & 0o777, made.uid]).to.deep.equal([0o755, 0]);
    }
  });

  it("may lie on a mount", () => {
    const report = runReport((config) => {
      config.process.cwd = "/tmp/new";
    });
    expect(report.cwd).to.equal("/tmp/new");
  });

  it("follows links inside the root, absolute ones too", () => {
    const report = runReport((config) => {
      const root = ownRootfs(config);
      symlinkSync("/home/guest", `${root}/link`);
      symlinkSync("../../../../link", `${root}/home/up`);
      config.process.cwd = "/home/up";
    });
    expect(report.cwd).to.equal("/home/guest");
  });

  it("may be a directory that only root can enter", () => {
    const report = runReport((config) => {
      mkdirSync(`${ownRootfs(config)}/closed`, { mode: 0o700 });
      config.process.user = { uid: 1000, gid: 1000 };
      config.process.cwd = "/closed";
    });
    expect(report.cwd).to.equal("/closed");
  });

  for (const cwd of ["", "relative/path", "..", "/etc/passwd", "/etc/passwd/below"]) {
    it(`refuses ${JSON.stringify(cwd)}`, () => {
      const c = container((config) => {
        config.process.cwd = cwd;
      });
      c.run().fails();
      expect(traces(c.id)).to.deep.equal([]);
    });
  }
});

describe("a working directory outside of the container", () => {
  // Descriptors that a caller passes on purpose are the simplest way to have one there.
  for (const verb of ["run", "exec"] as const) {
    it(`${verb} refuses /proc/self/fd/3 that is a directory of the host`, () => {
      const host = openSync("/", "r");
      const c = sleeper((config) => {
        config.process.cwd = verb === "run" ? "/proc/self/fd/3" : "/";
        config.process.args = ["/probe", verb === "run" ? "say" : "sleep", "ran"];
        if (verb === "exec") config.process.args = ["/probe", "sleep"];
      });
      const flags = ["--preserve-fds", "1"];
      const options = { fds: [host] };
      if (verb === "exec") c.up();
      const result =
        verb === "run"
          ? c.run(flags, options)
          : c.exec(["/probe", "say", "ran"], [...flags, "--cwd", "/proc/self/fd/3"], options);
      closeSync(host);
      result.fails();
      expect(result.stdout).to.not.include("ran");
    });
  }

  it("finds no descriptor of the runtime that leads out", () => {
    const inner = sleeper().up();
    for (let fd = 3; fd < 20; fd++) {
      const c = container((config) => {
        config.process.cwd = `/proc/self/fd/${fd}`;
        config.process.args = ["/probe", "say", "ran"];
      });
      expect(c.run().fails().stdout, `run with cwd ${fd}`).to.equal("");
      const flags = ["--cwd", `/proc/self/fd/${fd}`];
      expect(inner.exec(["/probe", "say", "ran"], flags).fails().stdout, `exec ${fd}`).to.equal("");
    }
  });
});
