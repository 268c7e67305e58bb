import { expect } from "chai";
import type { Op } from "../../schemas/generated/plan.ts";
import { describe as inOneLine } from "../base/errors.ts";
import { initError } from "./init-error.ts";

function textOf(op: Op, errno: string, step: string, detail = ""): string {
  const plan = { ops: [op], cloneFlags: 0, forks: false, slots: ["mount proc on /proc"] };
  return inOneLine(initError(plan, { index: 0, errno, step, detail }));
}

const start = "unable to start container process: ";
const lookUp = (name: string): Op => ({ op: "findExecutable", name, searchPath: "/bin" });

describe("what init reports, in runc's words where callers look for them", () => {
  it("a program that is not in PATH", () => {
    expect(textOf(lookUp("nope"), "ENOENT", "look up")).to.equal(
      `${start}exec: "nope": executable file not found in $PATH`,
    );
  });

  it("a path that does not exist", () => {
    expect(textOf(lookUp("/nope"), "ENOENT", "stat")).to.equal(
      `${start}exec: "/nope": stat /nope: no such file or directory`,
    );
  });

  it("a file that may not be executed, or a directory", () => {
    expect(textOf(lookUp("/etc/passwd"), "EACCES", "stat")).to.equal(
      `${start}exec: "/etc/passwd": permission denied`,
    );
    expect(textOf(lookUp("/etc"), "EISDIR", "stat")).to.equal(
      `${start}exec: "/etc": is a directory`,
    );
  });

  it("a file that the kernel does not understand", () => {
    const execute: Op = { op: "execute", args: [], env: [] };
    expect(textOf(execute, "ENOEXEC", "execve", "/bin/x")).to.equal(
      `${start}exec /bin/x: exec format error`,
    );
  });

  it("a working directory that cannot be entered", () => {
    const cwd: Op = { op: "changeDirectory", path: "/data", last: 1 };
    expect(textOf(cwd, "EACCES", "chdir")).to.match(
      /chdir to cwd \("\/data"\) set in config\.json failed: permission denied$/,
    );
  });

  it("a mount: what, which call, which errno; nothing twice", () => {
    const attach: Op = {
      ...{ op: "attach", slot: 0, target: "/proc" },
      ...{ strict: 1, copyUp: 0, mode: 0, coveredMode: 0 },
    };
    const text = textOf(attach, "ELOOP", "openat2");
    expect(text).to.contain(
      "mount proc on /proc: openat2: ELOOP (too many levels of symbolic links)",
    );
    expect(text).to.match(/\(the mount's target is a symbolic link.*\)$/);
    expect(text.split("ELOOP")).to.have.length(2);
  });

  it("a hook", () => {
    const hook: Op = { op: "hook", path: "/h", args: ["/h"], env: [], timeoutMs: 0 };
    expect(textOf(hook, "EPROTO", "hook", "/h: exit status 1")).to.match(/error running .*hook/);
  });

  it("anything, when the plan is not at hand", () => {
    const error = initError(undefined, { index: 9, errno: "EIO", step: "read", detail: "" });
    expect(error.message).to.equal(`${start}run the program: read: EIO (input/output error)`);
    expect(error).to.include({ errno: "EIO", stage: "init" });
  });
});
