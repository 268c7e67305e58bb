/**
 * How a process gets into its cgroups: a pid written to cgroup.procs waits for an RCU grace period (about 10 ms) unless
 * another process moved just before. On v1 a single-threaded child writes "0" to `tasks`, on v2 it is cloned into the cgroup.
 */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { container, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { requires } from "../harness/requires.ts";
import { scratchPath } from "../harness/scratch.ts";

const reason = "writes its pid to cgroup.procs; no rule of the spec, but the stall that we avoid";

/** strace in front of the runtime; `-y` shows the path of each descriptor. */
function tracer(file: string): string[] {
  return ["strace", "-f", "-y", "-qq", "-e", "trace=write,pwrite64,writev", "-o", file];
}

function writesTo(file: string, name: string): string[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line.includes(`/${name}>`) && /\b(p?write\w*)\(/.test(line));
}

describe("joining a cgroup without the stall", () => {
  before(requires({ program: "strace", root: true }));

  function slow(body: (this: Mocha.Context) => void) {
    return known("runc", reason, known("crun", reason, body));
  }

  it(
    "run writes to no cgroup.procs",
    slow(() => {
      const trace = scratchPath("strace");
      const c = container((config) => {
        config.process.args = ["/bin/true"];
      });
      c.run([], { wrapper: tracer(trace) }).ok();
      expect(writesTo(trace, "cgroup.procs")).to.deep.equal([]);
    }),
  );

  it(
    "exec writes to no cgroup.procs",
    slow(() => {
      const trace = scratchPath("strace");
      const c = sleeper().up();
      c.exec(["/bin/true"], [], { wrapper: tracer(trace) }).ok();
      expect(writesTo(trace, "cgroup.procs")).to.deep.equal([]);
    }),
  );

  it(
    "each `tasks` write on v1 is a thread moving itself",
    slow(function () {
      requires({ cgroup: "v1" }).call(this);
      const trace = scratchPath("strace");
      const c = container((config) => {
        config.process.args = ["/bin/true"];
      });
      c.run([], { wrapper: tracer(trace) }).ok();
      const writes = writesTo(trace, "tasks");
      expect(writes.length).to.be.greaterThan(0);
      for (const line of writes) expect(line).to.match(/, "0\\n"|, "0"/);
    }),
  );
});
