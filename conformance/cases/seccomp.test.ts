/** linux.seccomp: actions, argument comparison, architectures, and that the filter holds for exec as well. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Config } from "../harness/bundle.ts";
import { container, runActions, runReport, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";
import { requires } from "../harness/requires.ts";

interface Arg {
  index: number;
  value: number;
  valueTwo?: number;
  op: string;
}

interface Rule {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: Arg[];
}

const architectures = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
const native = process.arch === "x64" ? architectures : [];

/** A filter that allows all but what the rules say. */
function filter(config: Config, ...syscalls: Rule[]): void {
  config.linux["seccomp"] = {
    defaultAction: "SCMP_ACT_ALLOW",
    ...(native.length > 0 ? { architectures: native } : {}),
    syscalls,
  };
}

/** errno of munlockall, a call that no runtime makes itself, with these arguments in its registers, below a filter of one rule. */
function filtered(rule: Partial<Rule>, ...args: string[]): string | null | undefined {
  const actions = ["syscall", "munlockall", ...args];
  const full = { names: ["munlockall"], action: "SCMP_ACT_ERRNO", ...rule };
  return runActions(actions, (config) => filter(config, full))[0]?.errno;
}

/** The profile of the engines; `conformance/` is three levels above this compiled file's build directory. */
function engineProfile(): Record<string, unknown> {
  const here = dirname(fileURLToPath(import.meta.url));
  const path = join("conformance", "harness", "profiles", "default-seccomp.json");
  return JSON.parse(readFileSync(join(here, "..", "..", "..", path), "utf8"));
}

describe("seccomp actions", () => {
  before(requires({ seccomp: true }));

  it("ERRNO gives EPERM, or errnoRet", () => {
    expect(filtered({})).to.equal("EPERM");
    expect(filtered({ errnoRet: 38 })).to.equal("ENOSYS");
    expect(filtered({ errnoRet: 13 })).to.equal("EACCES");
  });

  it("other calls are left alone", () => {
    const outcomes = runActions(["syscall", "getpid", "+", "syscall", "munlockall"], (config) =>
      filter(config, { names: ["munlockall"], action: "SCMP_ACT_ERRNO" }),
    );
    expect(outcomes.map(({ errno }) => errno)).to.deep.equal([null, "EPERM"]);
  });

  for (const action of ["SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD"]) {
    it(`${action} ends the program with SIGSYS`, () => {
      const c = container((config) => {
        config.process.args = ["/probe", "syscall", "munlockall", "+", "say", "survived"];
        filter(config, { names: ["munlockall"], action });
      });
      const result = c.run();
      expect(result.stdout).to.equal("");
      expect(result.status).to.equal(128 + 31);
    });
  }

  it("TRAP sends SIGSYS", () => {
    const c = container((config) => {
      config.process.args = ["/probe", "syscall", "munlockall", "+", "say", "survived"];
      filter(config, { names: ["munlockall"], action: "SCMP_ACT_TRAP" });
    });
    expect(c.run().status).to.equal(128 + 31);
  });

  it("LOG permits", () => {
    expect(filtered({ action: "SCMP_ACT_LOG" })).to.equal(null);
  });

  it("TRACE without a tracer is ENOSYS", () => {
    expect(filtered({ action: "SCMP_ACT_TRACE", errnoRet: 5 })).to.equal("ENOSYS");
  });

  it("defaultErrnoRet is what calls without a rule give", () => {
    const [outcome] = runActions(["syscall", "acct"], (config) => {
      config.linux["seccomp"] = { ...engineProfile(), defaultErrnoRet: 13 };
    });
    expect(outcome?.errno).to.equal("EACCES");
  });

  it("the program sees that it is filtered", () => {
    const report = runReport((config) => filter(config));
    expect(report.seccomp).to.equal(2);
    expect(runReport().seccomp).to.equal(0);
  });
});

describe("seccomp argument comparison", () => {
  before(requires({ seccomp: true }));

  const big = 0x1_0000_0005;
  const rows: readonly [op: string, value: number, hit: string, miss: string, two?: number][] = [
    ["SCMP_CMP_EQ", 5, "5", "6"],
    ["SCMP_CMP_NE", 5, "6", "5"],
    ["SCMP_CMP_LT", 5, "4", "5"],
    ["SCMP_CMP_LE", 5, "5", "6"],
    ["SCMP_CMP_GT", 5, "6", "5"],
    ["SCMP_CMP_GE", 5, "5", "4"],
    ["SCMP_CMP_MASKED_EQ", 0xff, "0x305", "0x306", 5],
    ["SCMP_CMP_EQ", big, String(big), "5"],
  ];
  for (const [op, value, hit, miss, two] of rows) {
    it(`${op} ${value}`, () => {
      const args = [{ index: 1, value, op, ...(two === undefined ? {} : { valueTwo: two }) }];
      expect(filtered({ args }, "0", hit), `with ${hit}`).to.equal("EPERM");
      expect(filtered({ args }, "0", miss), `with ${miss}`).to.equal(null);
    });
  }

  it("several arguments must all match", () => {
    const args = [
      { index: 0, value: 1, op: "SCMP_CMP_EQ" },
      { index: 5, value: 2, op: "SCMP_CMP_EQ" },
    ];
    expect(filtered({ args }, "1", "0", "0", "0", "0", "2")).to.equal("EPERM");
    expect(filtered({ args }, "1", "0", "0", "0", "0", "3")).to.equal(null);
  });

  it("the same argument twice: either match counts", () => {
    // What libseccomp cannot express in one rule; engines' profiles rely on runtimes splitting it.
    const args = [1, 2].map((value) => ({ index: 0, value, op: "SCMP_CMP_EQ" }));
    for (const [value, expected] of [
      ["1", "EPERM"],
      ["2", "EPERM"],
      ["3", null],
    ] as const)
      expect(filtered({ args }, value), value).to.equal(expected);
  });
});

describe("seccomp and what it is combined with", () => {
  before(requires({ seccomp: true }));
  const rule: Rule = { names: ["munlockall"], action: "SCMP_ACT_ERRNO" };

  for (const noNewPrivileges of [true, false])
    for (const uid of [0, 1000]) {
      it(`holds for user ${uid} with noNewPrivileges ${noNewPrivileges}`, () => {
        const actions = ["report", "identity", "+", "syscall", "munlockall"];
        const c = container((config) => {
          config.process.args = ["/probe", ...actions];
          config.process.user = { uid, gid: uid };
          config.process.noNewPrivileges = noNewPrivileges;
          filter(config, rule);
        });
        const { stdout } = c.run().ok();
        expect(stdout).to.include(`"noNewPrivs":${noNewPrivileges ? 1 : 0}`);
        expect(c.outcomes()[0]?.errno).to.equal("EPERM");
      });
    }

  it("holds for exec", () => {
    const c = sleeper((config) => filter(config, rule)).up();
    const { stdout } = c.exec(["/probe", "syscall", "munlockall"]).ok();
    expect(stdout).to.include('"errno":"EPERM"');
    expect(c.execReport([], "identity").seccomp).to.equal(2);
  });

  it("is not undone by editing the bundle after create", () => {
    const c = sleeper((config) => filter(config, rule)).up();
    c.rewrite((config) => delete config.linux["seccomp"]);
    const { stdout } = c.exec(["/probe", "syscall", "munlockall"]).ok();
    expect(stdout).to.include('"errno":"EPERM"');
  });

  it("the engines' profile runs a shell, and refuses what it should", () => {
    const edit = (config: Config) => {
      config.linux["seccomp"] = engineProfile();
    };
    const calls = ["keyctl", "kexec_load", "reboot", "swapon"];
    const actions = calls.flatMap((name) => ["syscall", name, "+"]);
    for (const { target, errno } of runActions(actions, edit))
      expect(errno, String(target)).to.equal("EPERM");
    const c = container((config) => {
      edit(config);
      config.process.args = ["/bin/sh", "-c", "ls / | sort | head -1; echo $((6*7))"];
    });
    expect(c.run().ok().stdout).to.equal("bin\n42\n");
  });

  it(
    "calls newer than the profile give ENOSYS, so that libc falls back",
    known("crun", "EPERM; runc does it since 1.0", () => {
      const [outcome] = runActions(["syscall", "9999"], (config) => {
        config.linux["seccomp"] = engineProfile();
      });
      expect(outcome?.errno).to.equal("ENOSYS");
    }),
  );
});

describe("seccomp architectures", () => {
  // The second architecture's calls are made with int 0x80; the file tells that the kernel takes them.
  before(requires({ seccomp: true, arch: "x64", file: "/proc/sys/abi/vsyscall32" }));
  const rule: Rule = { names: ["munlockall"], action: "SCMP_ACT_ERRNO" };
  const munlockall32 = "153";

  it("a rule holds for each architecture that is listed", () => {
    const outcomes = runActions(
      ["syscall", "munlockall", "+", "syscall32", munlockall32, "+", "syscall32", "20"],
      (config) => filter(config, rule),
    );
    expect(outcomes.map(({ errno }) => errno)).to.deep.equal(["EPERM", "EPERM", null]);
  });

  it("calls of an architecture that is not listed end the program", () => {
    const c = container((config) => {
      config.process.args = ["/probe", "syscall32", "20", "+", "say", "survived"];
      filter(config, rule);
      Object.assign(config.linux["seccomp"] as object, { architectures: ["SCMP_ARCH_X86_64"] });
    });
    expect(c.run().status).to.equal(128 + 31);
  });

  it("without a list the native one is filtered", () => {
    const [outcome] = runActions(["syscall", "munlockall"], (config) => {
      filter(config, rule);
      delete (config.linux["seccomp"] as Record<string, unknown>)["architectures"];
    });
    expect(outcome?.errno).to.equal("EPERM");
  });
});

describe("seccomp profiles: what is passed over and what refused", () => {
  before(requires({ seccomp: true }));

  it("unknown system calls are passed over", () => {
    expect(filtered({ names: ["not_a_syscall", "munlockall", "socketcall"] })).to.equal("EPERM");
  });

  function refused(edit: (seccomp: Record<string, unknown>) => void, pattern?: RegExp): void {
    const c = container((config) => {
      filter(config, { names: ["munlockall"], action: "SCMP_ACT_ERRNO" });
      edit(config.linux["seccomp"] as Record<string, unknown>);
    });
    c.run().fails(pattern);
    expect(traces(c.id)).to.deep.equal([]);
  }

  it("an unknown action, default action, architecture or operator", () => {
    const rule = { names: ["munlockall"], action: "SCMP_ACT_ERRNO" };
    refused((seccomp) => (seccomp["defaultAction"] = "SCMP_ACT_MAYBE"), /SCMP_ACT_MAYBE/);
    refused((seccomp) => (seccomp["architectures"] = ["SCMP_ARCH_Z80"]), /SCMP_ARCH_Z80/);
    refused(
      (seccomp) => (seccomp["syscalls"] = [{ ...rule, action: "SCMP_ACT_NO" }]),
      /SCMP_ACT_NO/,
    );
    const args = [{ index: 0, value: 1, op: "SCMP_CMP_ODD" }];
    refused((seccomp) => (seccomp["syscalls"] = [{ ...rule, args }]), /SCMP_CMP_ODD/);
  });

  it("an argument index above 5", () => {
    const args = [{ index: 6, value: 1, op: "SCMP_CMP_EQ" }];
    const rule = { names: ["munlockall"], action: "SCMP_ACT_ERRNO", args };
    refused((seccomp) => (seccomp["syscalls"] = [rule]));
  });

  it("an unknown flag", () => {
    refused((seccomp) => (seccomp["flags"] = ["SECCOMP_FILTER_FLAG_NOPE"]), /flag/i);
  });

  it(
    "errnoRet with an action that has no use for it",
    known("runc", "ignored; config-linux.md, Seccomp: MUST be an error", () => {
      const rule = { names: ["munlockall"], action: "SCMP_ACT_KILL", errnoRet: 5 };
      refused((seccomp) => (seccomp["syscalls"] = [rule]));
    }),
  );

  it("NOTIFY as the default action, or for write: the container could never start", () => {
    const listenerPath = "/nonexistent";
    refused((seccomp) =>
      Object.assign(seccomp, { defaultAction: "SCMP_ACT_NOTIFY", listenerPath }),
    );
    const rule = { names: ["write"], action: "SCMP_ACT_NOTIFY" };
    refused((seccomp) => Object.assign(seccomp, { syscalls: [rule], listenerPath }));
  });
});
