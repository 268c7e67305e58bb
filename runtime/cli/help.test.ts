import { expect } from "chai";
import { commands } from "./commands.ts";
import { commandHelp, programHelp } from "./help.ts";

describe("programHelp", () => {
  it("lists every command and the global flags", () => {
    const text = programHelp("9.9");
    for (const name of Object.keys(commands))
      expect(text).to.match(new RegExp(`^   ${name} +\\w`, "m"));
    for (const flag of ["--debug", "--log-format value", "--version, -v", "--help, -h"]) {
      expect(text).to.match(new RegExp(`^   ${flag} `, "m"));
    }
    expect(text).to.include("VERSION:\n   9.9\n");
  });
  it("keeps obsolete flags to itself", () => {
    expect(programHelp("9.9")).to.not.match(/--criu/);
  });
});

describe("commandHelp", () => {
  it("shows usage and flags with both names and their value when absent", async () => {
    const command = await commands["events"]?.load();
    if (command === undefined) throw new TypeError("no command events");
    const text = commandHelp(command, "summary");
    expect(text).to.include("NAME:\n   tsrunc events - summary\n");
    expect(text).to.include("USAGE:\n   tsrunc events [command options] <container-id>\n");
    expect(text).to.match(/--interval value +time .*\(default: 5s\)\n/);
  });
  it("has no options section without flags", async () => {
    const command = await commands["state"]?.load();
    if (command === undefined) throw new TypeError("no command state");
    expect(commandHelp(command, "s")).to.not.include("OPTIONS");
  });
});
