/** AppArmor profiles in force: loaded here, applied to the program and to exec, and seen and felt from inside. */
import { execFileSync } from "node:child_process";
import { expect } from "chai";
import { container, runReport, sleeper, textFile } from "../harness/container.ts";
import { jsonLines, type Outcome, parseReport } from "../harness/probe.ts";
import { requires } from "../harness/requires.ts";

const strict = `conformance-strict-${process.pid}`;
const lax = `conformance-lax-${process.pid}`;

/** Allows all but what the rules deny; receives signals, so that the container can be killed. */
function profile(name: string, ...rules: string[]): string {
  const body = ["file,", "capability,", "network,", "unix,", "signal,", "ptrace,", ...rules];
  return `profile ${name} flags=(attach_disconnected,mediate_deleted) {\n${body.join("\n")}\n}\n`;
}

const actions = ["/probe", "report", "+", "write", "/tmp/denied", "+", "write", "/tmp/allowed"];

/** The label, and what became of the writes. */
function felt(stdout: string): [label: string, denied: unknown, allowed: unknown] {
  const [, denied, allowed] = jsonLines<Outcome>(stdout);
  return [parseReport(stdout).label, denied?.errno, allowed?.errno];
}

describe("an AppArmor profile", () => {
  let file = "";

  before(function () {
    requires({ root: true, apparmor: true, program: "apparmor_parser" }).call(this);
    file = textFile("profiles", profile(strict, "deny /tmp/denied w,") + profile(lax));
    execFileSync("apparmor_parser", ["-Kr", file]);
  });

  after(() => {
    if (file !== "") execFileSync("apparmor_parser", ["-R", file]);
  });

  for (const noNewPrivileges of [true, false]) {
    it(`confines the program, noNewPrivileges ${noNewPrivileges}`, () => {
      const c = container((config) => {
        Object.assign(config.process, { apparmorProfile: strict, noNewPrivileges, args: actions });
      });
      expect(felt(c.run().ok().stdout)).to.deep.equal([`${strict} (enforce)`, "EACCES", null]);
    });

    it(`confines exec, noNewPrivileges ${noNewPrivileges}`, () => {
      const c = sleeper((config) => {
        Object.assign(config.process, { apparmorProfile: strict, noNewPrivileges });
      }).up();
      expect(felt(c.exec(actions).ok().stdout)).to.deep.equal([
        `${strict} (enforce)`,
        "EACCES",
        null,
      ]);
    });
  }

  it("of exec --apparmor takes the place of the container's", () => {
    const c = sleeper((config) => {
      config.process["apparmorProfile"] = strict;
    }).up();
    const { stdout } = c.exec(actions, ["--apparmor", lax]).ok();
    expect(felt(stdout)).to.deep.equal([`${lax} (enforce)`, null, null]);
  });

  it("holds for what the program starts, too", () => {
    const c = container((config) => {
      config.process["apparmorProfile"] = strict;
      config.process.args = ["/bin/sh", "-c", "cat /proc/self/attr/current; echo >/tmp/denied"];
    });
    const result = c.run();
    expect(result.stdout.trim()).to.equal(`${strict} (enforce)`);
    expect(result.status).to.not.equal(0);
  });

  it("is only asked for by its name", () => {
    expect(runReport().label).to.equal("unconfined");
  });

  it("that is not loaded fails exec alone", () => {
    const c = sleeper().up();
    c.exec(["/probe"], ["--apparmor", "no-such-profile"]).fails(/apparmor|no-such-profile/i);
    expect(c.status()).to.equal("running");
  });
});
