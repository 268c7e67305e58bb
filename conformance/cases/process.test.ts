/** What the container's program inherits: arguments, environment, descriptors, signals, limits; and that the runtime left no mark. */
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { container, runReport } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { parseReport } from "../harness/probe.ts";
import { readOrEmpty } from "../harness/processes.ts";
import { invoke } from "../harness/runtime.ts";
import { scratchPath } from "../harness/scratch.ts";

describe("arguments and environment", () => {
  it("passes arguments exactly: blanks, quotes, newlines, UTF-8, empty ones", () => {
    const args = [
      "/probe",
      "report",
      "identity",
      "+",
      "say",
      "",
      "a b",
      "+",
      "say",
      "'\"\\ $HOME *",
      "+",
      "say",
      "grün\n2",
    ];
    const report = runReport((config) => {
      config.process.args = args;
    });
    expect(report.args.map((arg) => Buffer.from(arg, "latin1").toString("utf8"))).to.deep.equal(
      args,
    );
  });

  it("gives the config's environment only, plus HOME", () => {
    const env = ["PATH=/bin", "EMPTY=", "EQUALS=a=b", "SPACE=a b"];
    const report = runReport((config) => {
      config.process.env = env;
    });
    expect(report.env).to.have.members([...env, "HOME=/root"]);
  });

  it("keeps nothing of the runtime's own environment", () => {
    const c = container();
    const result = c
      .run([], { env: { CONFORMANCE_SECRET: "host", GOMAXPROCS: "1", LD_LIBRARY_PATH: "/host" } })
      .ok();
    const names = parseReport(result.stdout).env.map((entry) => entry.split("=")[0]);
    expect(names).to.have.members(["PATH", "TERM", "HOME"]);
  });

  it("works without any environment", () => {
    const report = runReport((config) => {
      config.process.env = [];
    });
    expect(report.env.every((entry) => entry.startsWith("HOME="))).to.equal(true);
  });

  it("the last of two entries for one name wins", () => {
    const report = runReport((config) => {
      config.process.env = ["PATH=/bin", "TWICE=first", "TWICE=second"];
    });
    expect(report.env.filter((entry) => entry.startsWith("TWICE="))).to.deep.equal([
      "TWICE=second",
    ]);
  });

  it("passes a large environment and many arguments", () => {
    const report = runReport((config) => {
      config.process.args = [
        "/probe",
        "report",
        "identity",
        ...Array.from({ length: 3000 }, () => "+"),
      ];
      config.process.env = Array.from(
        { length: 2000 },
        (_, i) => `VARIABLE_${i}=${"x".repeat(40)}`,
      );
    });
    expect(report.args).to.have.length(3003);
    expect(report.env.length).to.be.at.least(2000);
  });

  it("makes the working directory the current one", () => {
    const report = runReport((config) => {
      config.process.cwd = "/home/guest";
    });
    expect(report.cwd).to.equal("/home/guest");
  });
});

describe("what the runtime must not leave in the process", () => {
  it("has descriptors 0, 1 and 2 and no other", () => {
    const report = runReport();
    expect(report.fds.map(({ fd }) => fd)).to.deep.equal([0, 1, 2]);
  });

  it("does not get descriptors that the runtime's caller left open", () => {
    const extra = openSync("/etc/passwd", "r");
    const report = parseReport(
      container()
        .run([], { fds: [extra, extra] })
        .ok().stdout,
    );
    closeSync(extra);
    expect(report.fds.map(({ fd }) => fd)).to.deep.equal([0, 1, 2]);
  });

  it("keeps stdio blocking", () => {
    expect(runReport().fds.some(({ nonblock }) => nonblock)).to.equal(false);
  });

  it(
    "has default signal dispositions and an empty mask",
    known(
      "runc",
      "passes on what its caller ignores, as make does with 32 and 33",
      () => {
        expect(runReport().signals).to.deep.equal({ ignored: [], blocked: [] });
      },
      "sometimes",
    ),
  );

  it(
    "keeps RLIMIT_NOFILE as the caller had it",
    known("runc <1.2", "the Go runtime raises the soft limit; newer runc restores it", () => {
      const limit = "512:2048";
      const wrapper = ["/bin/sh", "-c", 'ulimit -Sn 512; ulimit -Hn 2048; exec "$@"', "sh"];
      const report = parseReport(container().run([], { wrapper }).ok().stdout);
      const { soft, hard } = report.rlimits["RLIMIT_NOFILE"] ?? {};
      expect(`${soft}:${hard}`).to.equal(limit);
    }),
  );

  it("works when the caller ignores SIGCHLD", () => {
    const wrapper = ["/bin/sh", "-c", "trap '' CHLD; exec \"$@\"", "sh"];
    const c = container((config) => {
      config.process.args = ["/bin/sh", "-c", "exit 7"];
    });
    expect(c.run([], { wrapper }).status).to.equal(7);
  });

  it("keeps the caller's other limits, niceness, affinity, oom_score_adj and timer slack", () => {
    const report = runReport();
    const limits = readOrEmpty("/proc/self/limits");
    const core = /^Max core file size\s+(\S+)/m
      .exec(limits)?.[1]
      ?.replace("unlimited", "18446744073709551615");
    expect(report.rlimits["RLIMIT_CORE"]?.soft).to.equal(core);
    expect(report.nice).to.equal(0);
    expect(report.oomScoreAdj).to.equal(readOrEmpty("/proc/self/oom_score_adj").trim());
    const cpus = /^Cpus_allowed_list:\s+(\S+)/m.exec(readOrEmpty("/proc/self/status"))?.[1] ?? "";
    const last = Number(/\d+$/.exec(cpus)?.[0]);
    expect(report.affinity.at(-1)).to.equal(last);
    expect(report.timerSlackNs).to.equal(50_000);
    expect(report.personality).to.equal(0);
  });

  it("has umask 0022 whatever the caller's is", () => {
    const wrapper = ["/bin/sh", "-c", 'umask 077; exec "$@"', "sh"];
    expect(parseReport(container().run([], { wrapper }).ok().stdout).umask).to.equal(0o22);
  });

  it("is dumpable again", () => {
    expect(runReport().dumpable).to.equal(1);
  });

  it("leads its own session", () => {
    const report = runReport();
    expect([report.sid, report.pgid]).to.deep.equal([1, 1]);
  });

  it("resets signals that the caller ignored", () => {
    const wrapper = ["/bin/sh", "-c", 'trap "" HUP USR1 PIPE; exec "$@"', "sh"];
    const report = parseReport(container().run([], { wrapper }).ok().stdout);
    expect(report.signals.blocked).to.deep.equal([]);
    expect(report.signals.ignored).to.not.include(13);
  });
});

describe("files planted in the bundle", () => {
  it("bunfig.toml and .env of the current directory are not read", () => {
    const c = container();
    const marker = scratchPath("planted");
    const { path } = c.bundle;
    writeFileSync(
      `${path}/bunfig.toml`,
      'preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n',
    );
    writeFileSync(
      `${path}/evil.ts`,
      `require("node:fs").writeFileSync(${JSON.stringify(marker)}, "owned");`,
    );
    writeFileSync(
      `${path}/evil.js`,
      `require("node:fs").writeFileSync(${JSON.stringify(marker)}, "owned");`,
    );
    writeFileSync(
      `${path}/.env`,
      "BUN_OPTIONS=--preload ./evil.ts\nNODE_OPTIONS=--require ./evil.js\nXDG_RUNTIME_DIR=/nowhere\nNOTIFY_SOCKET=/nowhere\n",
    );
    writeFileSync(`${path}/package.json`, '{"type":"module","imports":{"#x":"./evil.js"}}');
    writeFileSync(`${path}/tsconfig.json`, '{"compilerOptions":{"paths":{"*":["./evil.ts"]}}}');
    mkdirSync(`${path}/node_modules`);
    const result = c.command("run", [], [], { cwd: path }).ok();
    const report = parseReport(result.stdout);
    expect(report.pid).to.equal(1);
    expect(report.env.filter((entry) => entry.startsWith("NOTIFY_SOCKET="))).to.deep.equal([]);
    expect(readOrEmpty(marker)).to.equal("");
    invoke(["list"], { cwd: path }).ok();
    expect(readOrEmpty(marker)).to.equal("");
  });
});
