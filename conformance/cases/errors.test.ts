/** Refusals: ids, states that do not allow a verb, broken bundles; with the texts and statuses that engines rely on. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { container, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { traces } from "../harness/leaks.ts";
import { invoke } from "../harness/runtime.ts";
import { scratch, scratchDirectory, scratchPath } from "../harness/scratch.ts";

describe("unknown container", () => {
  const verbs: [string, string[]][] = [
    ["state", []],
    ["start", []],
    ["kill", ["TERM"]],
    ["delete", []],
    ["exec", ["/bin/true"]],
    ["pause", []],
    ["resume", []],
    ["ps", []],
    ["update", ["--pids-limit", "10"]],
    ["events", ["--stats"]],
  ];
  for (const [verb, rest] of verbs) {
    it(`${verb} says that it does not exist`, () => {
      const flags = verb === "update" || verb === "events" ? rest : [];
      const after = flags === rest ? [] : rest;
      const result = invoke([verb, ...flags, "no-such-container", ...after]);
      result.fails(/does not exist/);
      expect(result.lastError).to.match(/container does not exist/);
    });
  }

  it("delete --force of it is a success", () => {
    invoke(["delete", "--force", "no-such-container"]).ok();
  });
});

describe("container ids", () => {
  for (const id of [
    "",
    ".",
    "..",
    "a/b",
    "../up",
    "with space",
    "ünïcode",
    "semi;colon",
    "new\nline",
    "star*",
  ]) {
    it(`refuses ${JSON.stringify(id)} and touches nothing`, () => {
      const { bundle } = container();
      invoke(["create", "--bundle", bundle.path, id]).fails(undefined, 1);
      expect(existsSync(`${scratch()}/up`)).to.equal(false);
      invoke(["state", id]).fails();
    });
  }

  for (const suffix of ["_under", "+plus", "-dash", ".dot", "UPPER"]) {
    it(`accepts ${suffix}`, () => {
      const { bundle, id } = container();
      const full = `${id}${suffix}`;
      invoke(["create", "--bundle", bundle.path, full]).ok();
      invoke(["delete", "--force", full]).ok();
      expect(traces(full)).to.deep.equal([]);
    });
  }

  it("refuses an id in use and leaves that container as it was", () => {
    const c = sleeper().up();
    const before = c.state();
    c.create().fails(/container with given ID already exists/, 1);
    c.run().fails(/container with given ID already exists/, 1);
    expect(c.state()).to.deep.equal(before);
    expect(c.status()).to.equal("running");
  });

  it("refuses the id of a stopped container too", async () => {
    const c = sleeper().up();
    c.kill("KILL").ok();
    await c.reaches("stopped");
    c.create().fails(/container with given ID already exists/, 1);
  });
});

describe("verbs in the wrong state", () => {
  it("start of a running container", () => {
    const c = sleeper().up();
    c.start().fails(/cannot start an already running container/, 1);
    expect(c.status()).to.equal("running");
  });

  it("start of a stopped container", async () => {
    const c = sleeper().up();
    c.kill("KILL").ok();
    await c.reaches("stopped");
    c.start().fails(/cannot start a container that has stopped/, 1);
  });

  it("kill of a stopped container", async () => {
    const c = sleeper().up();
    c.kill("KILL").ok();
    await c.reaches("stopped");
    c.kill("TERM").fails(/container not running/, 1);
  });

  it("delete of a running container", () => {
    const c = sleeper().up();
    c.delete().fails(/is not stopped: running/, 1);
    expect(c.status()).to.equal("running");
  });

  it("delete of a paused container", () => {
    const c = sleeper().up();
    c.pause().ok();
    c.delete().fails(/is not stopped: paused/, 1);
    c.resume().ok();
  });

  it("exec in a stopped container exits with 255", async () => {
    const c = sleeper().up();
    c.kill("KILL").ok();
    await c.reaches("stopped");
    c.exec(["/bin/true"]).fails(/cannot exec in a stopped container/, 255);
  });
});

describe("broken bundles", () => {
  /** A bundle directory with this text as config.json. */
  function bundleWith(text: string): string {
    const path = scratchDirectory("broken");
    writeFileSync(`${path}/config.json`, text);
    return path;
  }

  /** create must fail with status 1 and a matching text, and leave nothing. */
  function refused(bundle: string, pattern: RegExp): void {
    const { id } = container();
    const result = invoke(["create", "--bundle", bundle, id]);
    result.fails(pattern, 1);
    expect(result.lastError, "the log's last error carries the reason").to.match(pattern);
    invoke(["state", id]).fails(/does not exist/);
    expect(traces(id)).to.deep.equal([]);
  }

  it("without a bundle directory", () => {
    refused("/no/such/bundle", /no such file or directory/);
  });

  it("without a config.json", () => {
    refused(scratchDirectory("empty"), /config\.json.* not found|no such file/);
  });

  it("with text that is not JSON", () => {
    refused(bundleWith("{ not json"), /invalid character|config\.json:1:3/);
  });

  it("with an empty config.json", () => {
    refused(bundleWith(""), /EOF|config\.json:1:1/);
  });

  it("with a config that is cut off", () => {
    refused(
      bundleWith(JSON.stringify(container().bundle.config).slice(0, 200)),
      /EOF|config\.json:\d+:\d+/,
    );
  });

  it("with a member of the wrong type", () => {
    const { config } = container().bundle;
    refused(bundleWith(JSON.stringify({ ...config, process: "string" })), /process/);
  });

  it(
    "with a null config",
    known(
      "runc",
      "schema: the config is an object; runc reads null as empty and complains later",
      () => {
        refused(bundleWith("null"), /config|object|JSON/);
      },
    ),
  );

  const edits: [
    string,
    (config: Record<string, unknown>, process: Record<string, unknown>) => void,
    RegExp,
  ][] = [
    ["no process.args", (_, process) => delete process["args"], /args/],
    [
      "empty process.args",
      (_, process) => {
        process["args"] = [];
      },
      /args/,
    ],
    ["no process.cwd", (_, process) => delete process["cwd"], /[Cc]wd/],
    [
      "a relative process.cwd",
      (_, process) => {
        process["cwd"] = "tmp";
      },
      /absolute/,
    ],
    ["no process", (config) => delete config["process"], /process/],
    ["no root", (config) => delete config["root"], /[Rr]oot/],
    [
      "a missing root filesystem",
      (config) => {
        config["root"] = { path: "/no/such/rootfs" };
      },
      /no such file|does not exist|invalid rootfs/,
    ],
  ];
  for (const [name, edit, pattern] of edits) {
    it(`with ${name}`, () => {
      const { config } = container().bundle;
      edit(config, config.process);
      refused(bundleWith(JSON.stringify(config)), pattern);
    });
  }

  it("with a root filesystem that is a file", () => {
    const { config } = container().bundle;
    const file = scratchPath("file");
    writeFileSync(file, "");
    config.root = { path: file };
    refused(bundleWith(JSON.stringify(config)), /not a directory|invalid rootfs|rootfs/);
  });

  for (const version of ["", "2.0.0", "0.9", "one", "1"]) {
    const body = () => {
      const { config } = container().bundle;
      config.ociVersion = version;
      refused(bundleWith(JSON.stringify(config)), /version/i);
    };
    const reason =
      "spec: config.md requires a supported SemVer ociVersion; runc does not look at it";
    it(`with ociVersion ${JSON.stringify(version)}`, known("runc", reason, body));
  }

  it("accepts members it does not know", () => {
    const { config } = container().bundle;
    const c = container((own) => {
      Object.assign(own, { ...config, "x-unknown": { any: [1, 2] } });
      own.process.args = ["/bin/true"];
    });
    c.run().ok();
  });
});

describe("a program that cannot be run", () => {
  const cases: [string, string, RegExp][] = [
    [
      "a name that PATH does not have",
      "nosuchprogram",
      /exec: \\?"nosuchprogram\\?": executable file not found in \$PATH/,
    ],
    [
      "a path that does not exist",
      "/no/such/program",
      /\\?"\/no\/such\/program\\?".*no such file or directory/,
    ],
    ["a file without x permission", "/etc/passwd", /permission denied/],
    ["a directory", "/etc", /permission denied|is a directory/],
  ];
  for (const [name, program, pattern] of cases) {
    it(`fails create for ${name}, with status 1, and leaves nothing`, () => {
      const c = container((config) => {
        config.process.args = [program];
      });
      const result = c.create();
      result.fails(pattern, 1);
      expect(result.lastError).to.match(pattern);
      expect(c.status()).to.equal("absent");
      expect(traces(c.id)).to.deep.equal([]);
    });
  }

  it("looks the program up in the PATH of the container's environment", () => {
    const c = container((config) => {
      config.process.args = ["true"];
      config.process.env = ["PATH=/nowhere"];
    });
    c.create().fails(/executable file not found in \$PATH/, 1);
    const d = container((config) => {
      config.process.args = ["true"];
      config.process.env = ["PATH=/nowhere:/bin"];
    });
    d.run().ok();
  });
});

describe("usage and logging", () => {
  it("an unknown command exits with 3", () => {
    expect(invoke(["no-such-command"]).status).to.equal(3);
  });

  for (const args of [
    ["create"],
    ["start"],
    ["state"],
    ["kill"],
    ["delete"],
    ["exec"],
    ["start", "a", "b"],
  ]) {
    it(`wrong number of arguments: ${args.join(" ")}`, () => {
      invoke(args).fails(undefined, 1);
    });
  }

  it("an unknown flag exits with 1", () => {
    invoke(["state", "--no-such-flag", "x"]).fails(undefined, 1);
  });

  it("--log with text format writes level=error and msg=", () => {
    const log = scratchPath("text-log");
    const result = invoke(["state", "no-such"], { globals: ["--log", log] });
    result.fails(/does not exist/, 1);
    expect(readFileSync(log, "utf8")).to.match(/level=error msg="container does not exist"/);
  });

  it("--log-format=json appends entries with level, msg and an RFC 3339 time", () => {
    const log = scratchPath("json-log");
    for (let i = 0; i < 2; i++)
      invoke(["state", "no-such"], { globals: [`--log=${log}`, "--log-format=json"] }).fails();
    const entries = readFileSync(log, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, string>);
    expect(entries).to.have.length(2);
    for (const entry of entries) {
      expect(entry["level"]).to.equal("error");
      expect(entry["msg"]).to.match(/container does not exist/);
      expect(entry["time"]).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/);
    }
  });

  it("writes errors to stderr when no log is named", () => {
    const result = invoke(["state", "no-such"], { globals: [] });
    result.fails(/does not exist/, 1);
    expect(result.stdout).to.equal("");
  });

  it("writes the error to stderr also when a log is named", () => {
    expect(invoke(["state", "no-such"]).stderr).to.match(/container does not exist/);
  });

  it("--debug logs more, and the last error is still the reason", () => {
    const log = scratchPath("debug-log");
    const c = container((config) => {
      config.process.args = ["nosuchprogram"];
    });
    c.create([], { globals: ["--debug", "--log", log, "--log-format", "json"] }).fails();
    const entries = readFileSync(log, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, string>);
    expect(entries.some((entry) => entry["level"] === "debug")).to.equal(true);
    expect(entries.findLast((entry) => entry["level"] === "error")?.["msg"]).to.match(
      /not found in \$PATH/,
    );
  });

  it("fails when the log file cannot be opened", () => {
    invoke(["state", "no-such"], { globals: ["--log", "/no/such/dir/log"] }).fails(
      /no such file/,
      1,
    );
  });

  it("refuses an unknown log format", () => {
    invoke(["state", "no-such"], { globals: ["--log-format", "xml"] }).fails(/log-format/, 1);
  });

  it(
    "refuses / as the state root",
    known(
      "runc <1.2",
      "newer runc refuses it: container ids would become top-level directories",
      () => {
        invoke(["list"], { root: "/" }).fails(undefined, 1);
      },
    ),
  );

  it("takes a state root with odd characters", () => {
    const root = `${scratch()}/root with space`;
    mkdirSync(root, { recursive: true });
    invoke(["list"], { root }).ok();
  });
});
