/** The exec command: what a second process of a container is given, how its end is reported, and what is refused. */
import { existsSync } from "node:fs";
import { expect } from "chai";
import { defaultCapabilities } from "../harness/bundle.ts";
import { readPidFile, sleeper, textFile } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { runtimeFlags, runtimePath } from "../harness/environment.ts";
import { parseReport } from "../harness/probe.ts";
import { isAlive, namespaceOf, parentOf, readOrEmpty } from "../harness/processes.ts";
import { scratchDirectory, scratchPath, stateRoot } from "../harness/scratch.ts";
import { onSubreaper } from "../harness/terminal.ts";
import { until } from "../harness/wait.ts";

describe("exec: exit status and output", () => {
  for (const status of [0, 1, 42, 255]) {
    it(`exits with the process's status ${status}`, () => {
      const c = sleeper().up();
      expect(c.exec(["/probe", "exit", String(status)]).status).to.equal(status);
      expect(c.status()).to.equal("running");
    });
  }

  it("exits with 128+n when a signal ends the process", () => {
    const c = sleeper().up();
    expect(c.exec(["/probe", "signal-self", "KILL"]).status).to.equal(137);
    expect(c.exec(["/probe", "signal-self", "TERM"]).status).to.equal(143);
  });

  it("passes stdin, stdout and stderr through", () => {
    const c = sleeper().up();
    const result = c
      .exec(["/bin/sh", "-c", "cat; echo problem >&2"], [], { input: "typed\n" })
      .ok();
    expect(result.stdout).to.equal("typed\n");
    expect(result.stderr).to.equal("problem\n");
  });

  it("forwards signals to the process and not to the init", async () => {
    const c = sleeper().up();
    const launched = c.launchExec(["/probe", "catch"]);
    await until("the handler", () => launched.stdout().includes("ready"));
    launched.kill("SIGUSR2");
    await until("the signal", () => launched.stdout().includes('"signal":12'));
    launched.kill("SIGTERM");
    expect((await launched.done).status).to.equal(0);
    expect(c.status()).to.equal("running");
  });

  it("ends with 137 when the container is killed meanwhile", async () => {
    const c = sleeper().up();
    const launched = c.launchExec(["/probe", "say", "here", "+", "sleep"]);
    await until("the process", () => launched.stdout().includes("here"));
    c.kill("KILL").ok();
    expect((await launched.done).status).to.equal(137);
  });
});

describe("exec: what the process is given", () => {
  it("the container's namespaces, root and cgroups", () => {
    const c = sleeper().up();
    const { pid } = c.state();
    const report = c.execReport([], "namespaces", "cgroup", "identity");
    for (const name of ["ipc", "mnt", "net", "pid", "uts", "cgroup", "user"] as const) {
      expect(report.namespaces[name], name).to.equal(namespaceOf(pid, name));
    }
    expect(report.hostname).to.equal("probe");
    const init = parseReport(c.exec(["/probe", "report", "cgroup"]).ok().stdout).cgroup;
    expect(report.cgroup).to.deep.equal(init);
    const ofInit = readOrEmpty(`/proc/${pid}/cgroup`).trim().split("\n");
    const plain = (rows: string[]) => rows.filter((row) => !row.startsWith("0::")).sort();
    if (plain(ofInit).length > 0) expect(plain(report.cgroup)).to.deep.equal(plain(ofInit));
  });

  it("the config's env, cwd and user when nothing else is said", () => {
    const c = sleeper((config) => {
      config.process.env.push("FROM_CONFIG=1");
      config.process.cwd = "/home/guest";
      config.process.user = { uid: 1000, gid: 1000, additionalGids: [2000], umask: 0o27 };
    }).up();
    const report = c.execReport([], "identity");
    expect(report.env).to.include("FROM_CONFIG=1");
    expect(report.cwd).to.equal("/home/guest");
    expect([report.uid, report.gid]).to.deep.equal([1000, 1000]);
    expect(report.groups).to.include(2000);
    expect(report.noNewPrivs).to.equal(1);
  });

  it("--env adds and overrides", () => {
    const c = sleeper((config) => {
      config.process.env.push("A=config", "B=config");
    }).up();
    const { env } = c.execReport(["-e", "A=flag", "-e", "C=flag=with=equals"], "identity");
    expect(env.filter((entry) => entry.startsWith("A="))).to.deep.equal(["A=flag"]);
    expect(env).to.include.members(["B=config", "C=flag=with=equals"]);
  });

  it("HOME of the user in the container's /etc/passwd", () => {
    const c = sleeper().up();
    expect(c.execReport([], "identity").env).to.include("HOME=/root");
    expect(c.execReport(["--user", "1000:1000"], "identity").env).to.include("HOME=/home/guest");
    expect(c.execReport(["--user", "4321"], "identity").env).to.include("HOME=/");
    expect(c.execReport(["--env", "HOME=/given"], "identity").env).to.include("HOME=/given");
  });

  it("--cwd", () => {
    const c = sleeper().up();
    expect(c.execReport(["--cwd", "/usr"], "identity").cwd).to.equal("/usr");
  });

  it("--user UID, UID:GID and --additional-gids", () => {
    const c = sleeper().up();
    const first = c.execReport(["--user", "1000"], "identity", "caps");
    expect([first.uid, first.euid, first.gid]).to.deep.equal([1000, 1000, 0]);
    expect(first.caps.effective).to.deep.equal([]);
    const second = c.execReport(["-u", "5:6", "-g", "70", "-g", "71"], "identity");
    expect([second.uid, second.gid, ...second.groups.filter((gid) => gid >= 70)]).to.deep.equal([
      5, 6, 70, 71,
    ]);
  });

  for (const user of [
    "guest",
    "1x",
    "-1",
    "0x1",
    "1:",
    ":1",
    "1:x",
    "4294967296",
    "99999999999999999999",
    "1:2:3",
  ]) {
    const body = () => {
      const c = sleeper().up();
      c.exec(["/bin/true"], ["--user", user]).fails();
    };
    const loose = ["4294967296"];
    const reason = "Atoi without a range check; CVE-2026-30892 is the class of bug to keep out";
    it(`refuses --user ${user}`, loose.includes(user) ? known("runc", reason, body) : body);
  }

  it("the config's capabilities, and --cap on top without inheritable ones", () => {
    const c = sleeper().up();
    const plain = c.execReport([], "caps").caps;
    expect(plain.effective).to.have.members(defaultCapabilities);
    const more = c.execReport(["--cap", "CAP_NET_ADMIN", "--cap", "CAP_SYS_PTRACE"], "caps").caps;
    for (const set of ["effective", "permitted", "bounding"] as const) {
      expect(more[set]).to.include.members([
        ...defaultCapabilities,
        "CAP_NET_ADMIN",
        "CAP_SYS_PTRACE",
      ]);
    }
    expect(more.inheritable, "CVE-2022-29162").to.deep.equal([]);
    expect(more.ambient).to.deep.equal([]);
  });

  it("--no-new-privs", () => {
    const c = sleeper((config) => {
      config.process.noNewPrivileges = false;
    }).up();
    expect(c.execReport([], "identity").noNewPrivs).to.equal(0);
    expect(c.execReport(["--no-new-privs"], "identity").noNewPrivs).to.equal(1);
  });

  it(
    "the container's rlimits, umask and oom_score_adj",
    known(
      "runc <1.2",
      "the Go runtime of the exec'd init may put its own RLIMIT_NOFILE back after the limits were set (opencontainers/runc#4195)",
      () => {
        const c = sleeper((config) => {
          config.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 77, hard: 99 }];
          config.process["oomScoreAdj"] = 321;
        }).up();
        const report = c.execReport([], "rlimits", "identity");
        expect(report.rlimits["RLIMIT_NOFILE"]).to.deep.equal({ soft: "77", hard: "99" });
        expect(report.oomScoreAdj).to.equal("321");
      },
      "sometimes",
    ),
  );

  it("only descriptors 0, 1 and 2", () => {
    const report = sleeper().up().execReport([], "fds");
    expect(report.fds.map(({ fd }) => fd)).to.deep.equal([0, 1, 2]);
  });

  it(
    "default signals",
    known(
      "runc",
      "passes on what its caller ignores, as make does with 32 and 33",
      () => {
        const report = sleeper().up().execReport([], "signals");
        expect(report.signals).to.deep.equal({ ignored: [], blocked: [] });
      },
      "sometimes",
    ),
  );
});

describe("exec --process", () => {
  it("takes everything from the file", () => {
    const c = sleeper().up();
    const process = {
      args: ["/probe", "report", "identity", "caps", "rlimits"],
      env: ["PATH=/bin", "ONLY=this"],
      cwd: "/usr",
      user: { uid: 12, gid: 34, additionalGids: [56] },
      capabilities: { bounding: ["CAP_KILL"], permitted: ["CAP_KILL"], effective: ["CAP_KILL"] },
      rlimits: [{ type: "RLIMIT_CORE", soft: 0, hard: 0 }],
      noNewPrivileges: true,
    };
    const result = c.exec([], ["--process", textFile("process", JSON.stringify(process))]).ok();
    const report = parseReport(result.stdout);
    expect([report.uid, report.gid, report.cwd]).to.deep.equal([12, 34, "/usr"]);
    expect(report.env.filter((entry) => !entry.startsWith("HOME="))).to.deep.equal([
      "PATH=/bin",
      "ONLY=this",
    ]);
    expect(report.caps.bounding).to.deep.equal(["CAP_KILL"]);
    expect(report.groups).to.include(56);
    expect(report.rlimits["RLIMIT_CORE"]).to.deep.equal({ soft: "0", hard: "0" });
  });

  it("refuses a missing file, broken JSON and a process without args", () => {
    const c = sleeper().up();
    c.exec([], ["--process", "/no/such/file"]).fails(/no such file/);
    c.exec([], ["--process", textFile("process", "{")]).fails(/EOF|:1:2/);
    c.exec(
      [],
      ["--process", textFile("process", JSON.stringify({ cwd: "/", user: { uid: 0, gid: 0 } }))],
    ).fails(/args/);
  });
});

describe("exec --detach", () => {
  it("returns at once, writes the pid file, and the process outlives it", () => {
    const c = sleeper().up();
    const file = `${scratchDirectory("pid")}/exec.pid`;
    c.exec(["/probe", "sleep"], ["--detach", "--pid-file", file]).ok();
    const pid = readPidFile(file);
    expect(isAlive(pid)).to.equal(true);
    expect(namespaceOf(pid, "pid")).to.equal(namespaceOf(c.state().pid, "pid"));
  });

  it("leaves the process to the subreaper and nothing in between", async () => {
    const c = sleeper().up();
    const file = scratchPath("pid");
    const words = [
      "--root",
      stateRoot(),
      "exec",
      "-d",
      "--pid-file",
      file,
      c.id,
      "/probe",
      "sleep",
    ];
    const reaper = onSubreaper([runtimePath, ...runtimeFlags, ...words]);
    const left = await reaper.left();
    expect(left.status).to.equal(0);
    const pid = readPidFile(file);
    expect(left.children.trim()).to.equal(String(pid));
    expect(parentOf(pid)).to.equal(left.pid);
    c.kill("KILL").ok();
    await until("the process to end", () => !isAlive(pid));
    await reaper.close();
  });

  it("writes the pid file in the foreground too", async () => {
    const c = sleeper().up();
    const file = scratchPath("pid");
    const launched = c.launchExec(["/probe", "gate"], ["--pid-file", file]);
    expect((await launched.done).status).to.equal(0);
    expect(readPidFile(file)).to.be.greaterThan(1);
  });

  it("ends with the container", async () => {
    const c = sleeper().up();
    const file = scratchPath("pid");
    c.exec(["/probe", "sleep"], ["-d", "--pid-file", file]).ok();
    c.kill("KILL").ok();
    await until("the process to end", () => !isAlive(readPidFile(file)));
  });
});

describe("exec: states and refusals", () => {
  it("works in a created container, before the program", () => {
    const c = sleeper();
    c.create().ok();
    const report = c.execReport([], "identity");
    expect(report.pid).to.be.greaterThan(1);
    expect(c.status()).to.equal("created");
  });

  it("in a paused container exits with 255, and waits for resume with --ignore-paused", async () => {
    const c = sleeper().up();
    c.pause().ok();
    c.exec(["/bin/true"]).fails(/cannot exec in a paused container/, 255);
    const launched = c.launchExec(["/probe", "exit", "4"], ["--ignore-paused"]);
    await until("the exec to arrive", () => existsSync(`/proc/${launched.pid}`));
    c.resume().ok();
    expect((await launched.done).status).to.equal(4);
  });

  const broken: [string, string[], RegExp][] = [
    ["nosuchprogram", [], /exec: \\?"nosuchprogram\\?": executable file not found in \$PATH/],
    ["/no/such/program", [], /\\?"\/no\/such\/program\\?".*no such file or directory/],
    ["/etc/passwd", [], /permission denied/],
    ["/bin/true", ["--cwd", "/etc/passwd"], /not a directory|chdir/],
    ["/bin/true", ["--cwd", "relative"], /absolute/],
  ];
  for (const [program, flags, pattern] of broken) {
    it(`${[...flags, program].join(" ")} exits with 255 and says why`, () => {
      const c = sleeper().up();
      const result = c.exec([program], flags);
      result.fails(pattern, 255);
      expect(result.lastError).to.match(pattern);
      expect(c.status()).to.equal("running");
    });
  }

  it("refuses a variable without =", () => {
    const c = sleeper().up();
    c.exec(["/bin/true"], ["--env", "NOEQUALS"]).fails(/NOEQUALS|env/);
  });

  it("flags after the container's id belong to the program", () => {
    const c = sleeper().up();
    const result = c.exec(["/bin/echo", "--detach", "-t"]).ok();
    expect(result.stdout).to.equal("--detach -t\n");
  });

  it(
    "sees the config as it was at create",
    known(
      "runc",
      "spec: runtime.md, create: later changes of config.json MUST NOT have an effect; runc reads it again at exec",
      () => {
        const c = sleeper((config) => {
          config.process.env.push("WHEN=create");
        }).up();
        c.rewrite((config) => {
          config.process.env = ["PATH=/bin", "WHEN=later"];
          config.process.cwd = "/usr";
        });
        const report = c.execReport([], "identity");
        expect(report.env).to.include("WHEN=create");
        expect(report.cwd).to.equal("/");
      },
    ),
  );
});
