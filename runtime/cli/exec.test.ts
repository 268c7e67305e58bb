import { expect } from "chai";
import { execCommand, execOptions } from "./exec.ts";
import { parse } from "./parse.ts";

function optionsOf(...argv: string[]): ReturnType<typeof execOptions> {
  const parsed = parse(argv, execCommand.flags, "leading");
  if (parsed.kind !== "values") throw new TypeError("expected values");
  const [id = "", ...args] = parsed.operands;
  return execOptions(id, args, parsed.flags as Parameters<typeof execOptions>[2]);
}

describe("execOptions", () => {
  it("leaves out what was not given", () => {
    expect(optionsOf("c1", "ls", "-l")).to.deep.equal({
      id: "c1",
      args: ["ls", "-l"],
      env: [],
      additionalGids: [],
      caps: [],
      cgroups: [],
      detach: false,
      preserveFds: 0,
      ignorePaused: false,
    });
  });
  it("carries everything over", () => {
    const options = optionsOf(
      ...["-d", "-t", "-u", "1:2", "-e", "A=", "-g", "5", "-c", "CAP_KILL", "--cgroup", "x"],
      ...[
        "--no-new-privs=false",
        "--cwd",
        "/tmp",
        "--pid-file",
        "p",
        "--ignore-paused",
        "c1",
        "sh",
      ],
    );
    expect(options).to.deep.include({ detach: true, tty: true, user: "1:2", noNewPrivs: false });
    expect(options).to.deep.include({ env: ["A="], additionalGids: [5], caps: ["CAP_KILL"] });
    expect(options).to.deep.include({ cgroups: ["x"], cwd: "/tmp", ignorePaused: true });
    expect(options.pidFile).to.equal(`${process.cwd()}/p`);
  });
  it("needs a command or a process file", () => {
    expect(() => optionsOf("c1")).to.throw("exec args cannot be empty");
    expect(optionsOf("-p", "/p.json", "c1").processFile).to.equal("/p.json");
  });
  it("refuses a variable without name or equals sign", () => {
    expect(() => optionsOf("-e", "A", "c1", "ls")).to.throw("invalid environment variable: A");
    expect(() => optionsOf("-e", "=A", "c1", "ls")).to.throw("invalid environment variable: =A");
  });
  it("refuses a user that is not numeric (CVE-2026-30892)", () => {
    for (const user of ["root", "1:", ":1", "0x0", "-1", "4294967295"]) {
      expect(() => optionsOf("-u", user, "c1", "ls"), user).to.throw("invalid user");
    }
  });
  it("refuses group ids out of range", () => {
    expect(() => optionsOf("-g", "-1", "c1", "ls")).to.throw("additional-gids");
    expect(() => optionsOf("-g", "4294967295", "c1", "ls")).to.throw("additional-gids");
  });
  it("refuses a negative --preserve-fds", () => {
    expect(() => optionsOf("--preserve-fds=-1", "c1", "ls")).to.throw("--preserve-fds");
  });
});
