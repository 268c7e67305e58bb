/** How many system calls a command makes, init and program included: a guard for speed that no load can disturb. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { container, sleeper } from "../harness/container.ts";
import { isRuntime } from "../harness/differences.ts";
import { requires } from "../harness/requires.ts";
import type { InvokeOptions } from "../harness/runtime.ts";
import { scratchPath } from "../harness/scratch.ts";

/**
 * Calls per command, about a tenth above what was counted on a hybrid cgroup host (nine hierarchies; on v2 it is less).
 * Starting the engine is 310 of them. Raise one knowingly: a call costs 0.1 to 30 microseconds.
 */
const budgets = {
  run: 1450,
  create: 520,
  start: 365,
  state: 345,
  exec: 870,
  kill: 355,
  delete: 385,
};

/** `-f` counts init and the program, too; without, only what the command does itself until it ends. */
function counting(file: string, follow: boolean): InvokeOptions {
  return { wrapper: ["strace", ...(follow ? ["-f"] : []), "-c", "-o", file] };
}

/** The fourth column of strace's last line. */
function total(file: string): number {
  const last = readFileSync(file, "utf8").trimEnd().split("\n").at(-1) ?? "";
  expect(last).to.match(/ total$/);
  return Number(last.trim().split(/\s+/)[3]);
}

describe("system calls", () => {
  before(function () {
    requires({ program: "strace", root: true }).call(this);
    if (isRuntime("tsrunc")) return;
    console.log("    skipped: the budgets are those of tsrunc");
    this.skip();
  });

  it("of run stay within the budget", () => {
    const file = scratchPath("strace");
    const c = container((config) => {
      config.process.args = ["/bin/true"];
    });
    c.run([], counting(file, true)).ok();
    expect(total(file)).to.be.within(budgets.run / 2, budgets.run);
  });

  it("of each step of a life stay within the budgets", async () => {
    const c = sleeper();
    const count = (verb: keyof typeof budgets, flags: string[], rest: string[], follow = true) => {
      const file = scratchPath("strace");
      c.command(verb, flags, rest, counting(file, follow)).ok();
      expect(total(file), verb).to.be.within(budgets[verb] / 2, budgets[verb]);
    };
    count("create", ["--bundle", c.bundle.path], [], false);
    count("start", [], [], false);
    count("state", [], []);
    count("exec", [], ["/bin/true"]);
    count("kill", [], ["KILL"]);
    await c.reaches("stopped");
    count("delete", [], []);
  });
});
