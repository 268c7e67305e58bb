/** The program's identity: uid, gid, groups, umask, HOME, no_new_privs and oom_score_adj. */
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import type { Config } from "../harness/bundle.ts";
import { ownRootfs } from "../harness/bundle.ts";
import { container, runReport } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { parseReport } from "../harness/probe.ts";
import { requires } from "../harness/requires.ts";
import { until } from "../harness/wait.ts";

function home(edit: (config: Config) => void): string | undefined {
  const { env } = runReport(edit);
  return env.find((entry) => entry.startsWith("HOME="))?.slice("HOME=".length);
}

describe("process.user", () => {
  it("sets real, effective and saved ids", () => {
    const report = runReport((config) => {
      config.process.user = { uid: 1000, gid: 1001 };
    });
    expect([report.uid, report.euid, report.suid]).to.deep.equal([1000, 1000, 1000]);
    expect([report.gid, report.egid, report.sgid]).to.deep.equal([1001, 1001, 1001]);
  });

  it("gives additionalGids and no other group", () => {
    const report = runReport((config) => {
      config.process.user = { uid: 1000, gid: 1000, additionalGids: [5, 4_000_000] };
    });
    expect(report.groups.filter((gid) => gid !== 1000)).to.have.members([5, 4_000_000]);
  });

  it(
    "keeps the caller's groups when run.oci.keep_original_groups says so",
    known(
      "runc",
      "an annotation of crun's, which podman sets for --group-add keep-groups",
      function () {
        requires({ program: "setpriv" }).call(this);
        const groups = (value: string) => {
          const c = container((config) => {
            config.process.args = ["/probe", "report", "identity"];
            config.process.user = { uid: 1000, gid: 1000 };
            config.annotations = { "run.oci.keep_original_groups": value };
          });
          const [, ...words] = c.createCommand().map((word) => (word === "create" ? "run" : word));
          const command = ["--groups", "5551,5552", c.createCommand()[0] ?? "", ...words];
          return parseReport(execFileSync("setpriv", command, { encoding: "utf8" })).groups;
        };
        expect(groups("1")).to.include.members([5551, 5552]);
        expect(groups("0")).to.not.include.members([5551, 5552]);
      },
    ),
  );

  it("drops the caller's groups, and does not add those of /etc/group", () => {
    // guest (1000) is a member of "extra" (2000) there.
    const report = runReport((config) => {
      config.process.user = { uid: 1000, gid: 1000 };
    });
    expect(report.groups.filter((gid) => gid !== 1000)).to.deep.equal([]);
  });

  it("accepts ids that no passwd entry has", () => {
    const report = runReport((config) => {
      config.process.user = { uid: 2_147_483_647, gid: 54_321 };
    });
    expect([report.uid, report.gid]).to.deep.equal([2_147_483_647, 54_321]);
  });

  it(
    "accepts the upper half of uint32",
    known(
      "runc",
      "ids above 2^31-1 are refused; the spec says uint32 (config.md, POSIX User)",
      () => {
        const report = runReport((config) => {
          config.process.user = { uid: 4_000_000_000, gid: 4_000_000_001 };
        });
        expect([report.uid, report.gid]).to.deep.equal([4_000_000_000, 4_000_000_001]);
      },
    ),
  );

  for (const uid of [4_294_967_295, 4_294_967_296, -1, 1.5, "0", "root"]) {
    it(`refuses uid ${JSON.stringify(uid)}`, () => {
      const c = container((config) => {
        config.process.user = { uid: uid as number, gid: 0 };
      });
      c.run().fails();
    });
  }
});

describe("the program's stdio", () => {
  for (const path of ["/dev/stdout", "/dev/stderr", "/proc/self/fd/1"]) {
    it(`${path} can be opened by a user that is not root`, () => {
      // Log files of images lead there; engines pass pipes and files that root has made.
      const c = container((config) => {
        config.process.user = { uid: 1000, gid: 1000 };
        config.process.args = ["/probe", "write", path, "again"];
      });
      const result = c.create().ok();
      c.start().ok();
      return until("the outcome", () => result.stdout.includes('"action":"write"')).then(() => {
        expect(result.stdout).to.include('"errno":null');
      });
    });
  }
});

describe("process.user.umask", () => {
  for (const umask of [0, 0o77, 0o27]) {
    it(`is set to 0${umask.toString(8)}`, () => {
      const report = runReport((config) => {
        config.process.user = { uid: 0, gid: 0, umask };
      });
      expect(report.umask).to.equal(umask);
    });
  }
});

describe("HOME", () => {
  it("comes from the container's /etc/passwd", () => {
    expect(home((config) => (config.process.user = { uid: 1000, gid: 1000 }))).to.equal(
      "/home/guest",
    );
  });

  it("is / for an unknown user", () => {
    expect(home((config) => (config.process.user = { uid: 4242, gid: 0 }))).to.equal("/");
  });

  it("is kept when the config sets it", () => {
    expect(home((config) => config.process.env.push("HOME=/elsewhere"))).to.equal("/elsewhere");
  });

  it("is filled in when the config sets it to nothing", () => {
    expect(home((config) => config.process.env.push("HOME="))).to.equal("/root");
  });

  it("is / without a passwd file", () => {
    const value = home((config) => rmSync(`${ownRootfs(config)}/etc/passwd`));
    expect(value).to.equal("/");
  });

  function homeFrom(passwd: string): string | undefined {
    return home((config) => {
      writeFileSync(`${ownRootfs(config)}/etc/passwd`, passwd);
      config.process.user = { uid: 1000, gid: 1000 };
    });
  }
  const last = "me:x:1000:1000::/home/me:/bin/sh";

  it("survives a passwd file of rubbish without a last newline", () => {
    expect(homeFrom(`:::\n\n#x\n+nis\n-1:x:-1\n${last}`)).to.equal("/home/me");
  });

  it(
    "survives a long line in it",
    known("runc", "fails with bufio.Scanner: token too long", () => {
      expect(homeFrom(`long:x:7:7:${"y".repeat(100_000)}:/:/\n${last}\n`)).to.equal("/home/me");
    }),
  );
});

describe("process.noNewPrivileges", () => {
  for (const value of [true, false, undefined]) {
    it(`${value} is what the program has`, () => {
      const report = runReport((config) => {
        if (value === undefined) delete config.process.noNewPrivileges;
        else config.process.noNewPrivileges = value;
      });
      expect(report.noNewPrivs).to.equal(value ? 1 : 0);
    });
  }
});

describe("process.oomScoreAdj", () => {
  it("is set", () => {
    const report = runReport((config) => {
      config.process["oomScoreAdj"] = 789;
    });
    expect(report.oomScoreAdj).to.equal("789");
  });

  it("is set when the user is not root", () => {
    const report = runReport((config) => {
      config.process.user = { uid: 1000, gid: 1000 };
      config.process["oomScoreAdj"] = 1000;
    });
    expect(report.oomScoreAdj).to.equal("1000");
  });

  it("may be lowered", function () {
    requires({ capability: 24 }).call(this);
    const report = runReport((config) => {
      config.process["oomScoreAdj"] = -500;
    });
    expect(report.oomScoreAdj).to.equal("-500");
  });

  for (const value of [1001, -1001, "5", 2.5]) {
    it(`refuses ${JSON.stringify(value)}`, () => {
      const c = container((config) => {
        config.process["oomScoreAdj"] = value;
      });
      c.run().fails();
    });
  }
});
