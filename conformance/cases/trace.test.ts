/** `--trace`: where a command's time went, as Chrome trace events. */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { container } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { invoke } from "../harness/runtime.ts";
import { scratchDirectory } from "../harness/scratch.ts";

interface Event {
  name: string;
  ph: string;
  ts: number;
  dur: number;
  pid: number;
  tid: number;
}

function eventsOf(path: string): Event[] {
  return JSON.parse(readFileSync(path, "utf8")).traceEvents;
}

function short(): ReturnType<typeof container> {
  return container((config) => {
    config.process.args = ["/probe", "exit", "3"];
  });
}

describe("--trace", () => {
  it(
    "holds the command's steps, and init's inside of its life",
    known("runc", "has no such flag", () => {
      const c = short();
      const file = join(scratchDirectory("trace"), "trace.json");
      const run = ["--trace", file, "run", "--bundle", c.bundle.path, c.id];
      expect(invoke(run).status).to.equal(3);
      const events = eventsOf(file);
      const named = (name: string) => events.find((event) => event.name.startsWith(name));
      const command = named("command");
      const pivot = named("pivotRoot");
      expect(events.every(({ ph, dur, ts }) => ph === "X" && dur >= 0 && ts > 0)).to.equal(true);
      for (const name of ["engine", "validate", "cgroups", "plan", "spawn init", "remove"])
        expect(named(name), name).to.have.property("pid", command?.pid);
      expect(pivot?.pid).to.not.equal(command?.pid);
      const { ts = 0, dur = 0 } = command ?? {};
      expect(pivot?.ts).to.be.within(ts, ts + dur);
      expect(events.filter(({ name }) => name.startsWith("attach:"))).to.have.length.above(3);
    }),
  );

  it(
    "is also asked for by $TSRUNC_TRACE; a directory gets a file per process, a failure is traced too",
    known("runc", "has no such variable", () => {
      const directory = join(scratchDirectory("trace"), "all");
      mkdirSync(directory);
      const env = { ...process.env, TSRUNC_TRACE: directory };
      const c = short();
      expect(invoke(["run", "--bundle", c.bundle.path, c.id], { env }).status).to.equal(3);
      expect(invoke(["state", "no-such-container"], { env }).status).to.equal(1);
      const files = readdirSync(directory);
      expect(files).to.have.length(2);
      for (const file of files) {
        const names = eventsOf(join(directory, file)).map(({ name }) => name);
        expect(names).to.include("command");
      }
    }),
  );
});
