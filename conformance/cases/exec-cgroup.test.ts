/** exec --cgroup: a process of the container in a sub-cgroup, and never outside of the container's own. */
import { mkdirSync } from "node:fs";
import { expect } from "chai";
import { readPidFile, sleeper } from "../harness/container.ts";
import { cgroupDirectory } from "../harness/processes.ts";
import { hostFacts, requires } from "../harness/requires.ts";
import { scratchPath } from "../harness/scratch.ts";

/** The flag's value for this sub-cgroup: on v1 it is chosen for each controller. */
function inside(path: string): string {
  return hostFacts().cgroup === "v2" ? path : `pids:${path}`;
}

describe("exec --cgroup", () => {
  before(requires({ controllers: ["pids"] }));

  it("joins the sub-cgroup", () => {
    const c = sleeper().up();
    const own = cgroupDirectory(c.state().pid, "pids");
    mkdirSync(`${own}/inner`);
    const file = scratchPath("pid");
    c.exec(["/probe", "sleep"], ["--cgroup", inside("inner"), "-d", "--pid-file", file]).ok();
    expect(cgroupDirectory(readPidFile(file), "pids")).to.equal(`${own}/inner`);
  });

  it("joins the container's cgroup for / and without the flag", () => {
    const c = sleeper().up();
    const own = cgroupDirectory(c.state().pid, "pids");
    for (const flags of [["--cgroup", inside("/")], []]) {
      const file = scratchPath("pid");
      c.exec(["/probe", "sleep"], [...flags, "-d", "--pid-file", file]).ok();
      expect(cgroupDirectory(readPidFile(file), "pids")).to.equal(own);
    }
  });

  for (const path of ["..", "../..", "inner/../../..", "missing", "nosuchcontroller:inner"]) {
    it(`refuses ${path}`, () => {
      const c = sleeper().up();
      const value = path.includes(":") ? path : inside(path);
      c.exec(["/bin/true"], ["--cgroup", value]).fails(undefined, 255);
      expect(c.status()).to.equal("running");
    });
  }
});
