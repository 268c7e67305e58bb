/** The six kinds of hooks: order, input, environment, namespaces, timeouts, and what a failing one leaves (config.md: POSIX-platform hooks). */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import type { Config, HookConfig, HookName } from "../harness/bundle.ts";
import { type Container, container, type State, sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { probePath } from "../harness/environment.ts";
import { traces } from "../harness/leaks.ts";
import { type HookReport, jsonLines } from "../harness/probe.ts";
import { isAlive, namespaceOf, readOrEmpty } from "../harness/processes.ts";
import { scratchDirectory } from "../harness/scratch.ts";
import { until } from "../harness/wait.ts";

const kinds: readonly HookName[] = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
];

interface Hooked {
  readonly c: Container;
  readonly file: string;
}

/** A hook that reports to the file; in the container the probe and the directory have the same paths or are mounted there. */
function reporter(file: string, name: string, kind: HookName, ...rest: string[]): HookConfig {
  const path = kind === "startContainer" ? "/probe" : probePath();
  return { path, args: [path, "hook", file, name, ...rest], env: [`HOOK=${name}`] };
}

/** A sleeping container with these hooks; `rest` are the probe's arguments STATUS and MS for one kind. */
function hooked(
  names: readonly HookName[],
  rest: Partial<Record<HookName, string[]>> = {},
  edit?: (config: Config) => void,
): Hooked {
  const directory = scratchDirectory("hooks");
  const file = `${directory}/log`;
  const c = sleeper((config) => {
    config.mounts.push({
      destination: directory,
      type: "bind",
      source: directory,
      options: ["bind", "rw"],
    });
    config.root = { path: config.root.path };
    config.hooks = {};
    for (const kind of names)
      config.hooks[kind] = [reporter(file, kind, kind, ...(rest[kind] ?? []))];
    edit?.(config);
  });
  return { c, file };
}

function reports(file: string): HookReport[] {
  return jsonLines<HookReport>(readOrEmpty(file));
}

function names(file: string): string[] {
  return reports(file).map(({ name }) => name);
}

function stateOf(report: HookReport | undefined): State {
  return JSON.parse(report?.state ?? "null") as State;
}

describe("hooks", () => {
  it(
    "run in the order of the spec, each in its phase",
    known(
      "runc <1.6",
      "spec: poststart comes after the program was started; runc runs it at the end of create (opencontainers/runc#4347)",
      async () => {
        const { c, file } = hooked(kinds);
        c.create().ok();
        expect(names(file)).to.deep.equal(["prestart", "createRuntime", "createContainer"]);
        c.start().ok();
        await until("the start hooks", () => names(file).length === 5);
        expect(names(file).slice(3)).to.deep.equal(["startContainer", "poststart"]);
        c.kill("KILL").ok();
        await c.reaches("stopped");
        expect(names(file)).to.have.length(5);
        c.delete().ok();
        expect(names(file)).to.deep.equal(kinds);
      },
    ),
  );

  it("of one kind run in the order of the list, before the next kind", () => {
    const { c, file } = hooked([]);
    c.rewrite((config) => {
      const list = (kind: HookName) =>
        ["a", "b", "c"].map((name) => reporter(file, `${kind}-${name}`, kind));
      config.hooks = { prestart: list("prestart"), createRuntime: list("createRuntime") };
    });
    c.create().ok();
    expect(names(file)).to.deep.equal([
      "prestart-a",
      "prestart-b",
      "prestart-c",
      "createRuntime-a",
      "createRuntime-b",
      "createRuntime-c",
    ]);
  });

  it(
    "get the state on stdin, with the status of their phase",
    known(
      "runc <1.6",
      "spec: poststart comes after the program was started; runc runs it at the end of create (opencontainers/runc#4347)",
      async () => {
        const { c, file } = hooked(kinds, {}, (config) => {
          config.annotations = { note: "for hooks" };
        });
        c.up();
        const { pid } = c.state();
        await until("the start hooks", () => names(file).length === 5);
        c.kill("KILL").ok();
        await c.reaches("stopped");
        c.delete().ok();
        const byName = new Map(reports(file).map((report) => [report.name, stateOf(report)]));
        for (const kind of kinds) {
          const state = byName.get(kind);
          expect(state, kind).to.include({ id: c.id, bundle: c.bundle.path });
          expect(state?.ociVersion, kind).to.match(/^1\./);
          expect(state?.annotations, kind).to.deep.equal({ note: "for hooks" });
        }
        // runc says creating; by the spec's lifecycle and with crun the container is created by then
        expect(byName.get("prestart")?.status).to.be.oneOf(["creating", "created"]);
        expect(kinds.slice(1).map((kind) => byName.get(kind)?.status)).to.deep.equal([
          "creating",
          "creating",
          "created",
          "running",
          "stopped",
        ]);
        for (const kind of ["prestart", "createRuntime", "poststart"])
          expect(byName.get(kind)?.pid, kind).to.equal(pid);
      },
    ),
  );

  it("run with their own args and environment only", () => {
    const { c, file } = hooked(["createRuntime", "createContainer"]);
    c.create([], { env: { CONFORMANCE_SECRET: "host" } }).ok();
    for (const report of reports(file)) {
      expect(report.env, report.name).to.deep.equal([`HOOK=${report.name}`]);
      expect(report.args[0]).to.equal(probePath());
      expect(report.args[1]).to.equal("hook");
    }
  });

  it(
    "inherit no descriptor but stdio, and default signals",
    known(
      "runc <1.2",
      "hooks in the container inherit the init's socket and exec.fifo",
      async () => {
        const { c, file } = hooked([
          "prestart",
          "createRuntime",
          "createContainer",
          "startContainer",
          "poststart",
        ]);
        c.up();
        await until("all hooks", () => names(file).length === 5);
        for (const report of reports(file)) {
          const extra = report.fds.filter(
            ({ fd, target }) =>
              fd > 2 && target !== file && !/call-.*stdout|pipe:|null/.test(target),
          );
          expect(extra, report.name).to.deep.equal([]);
          expect(report.signals.blocked, report.name).to.deep.equal([]);
        }
      },
    ),
  );

  it("take args[0] from args, not from path", () => {
    const { c, file } = hooked([]);
    c.rewrite((config) => {
      config.hooks = {
        createRuntime: [{ path: probePath(), args: ["another-name", "hook", file, "x"] }],
      };
    });
    c.create().ok();
    expect(reports(file)[0]?.args[0]).to.equal("another-name");
  });

  it("run in the namespaces of their phase", async () => {
    const { c, file } = hooked([
      "prestart",
      "createRuntime",
      "createContainer",
      "startContainer",
      "poststart",
    ]);
    c.up();
    const { pid } = c.state();
    await until("all hooks", () => names(file).length === 5);
    for (const { name, namespaces } of reports(file)) {
      const inside = name === "createContainer" || name === "startContainer";
      for (const kind of ["mnt", "uts", "ipc", "net"] as const) {
        expect(namespaces[kind], `${name} ${kind}`).to.equal(
          namespaceOf(inside ? pid : "self", kind),
        );
      }
    }
  });

  it("see the container's process alive, waiting", () => {
    const directory = scratchDirectory("hooks");
    const c = sleeper((config) => {
      // The pid is in the state; /proc/PID/comm is copied while the hook runs.
      const script = `pid=$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/'); cat /proc/$pid/comm > ${directory}/comm`;
      config.hooks = {
        createRuntime: [
          { path: "/bin/sh", args: ["sh", "-c", script], env: ["PATH=/usr/bin:/bin"] },
        ],
      };
    });
    c.create().ok();
    expect(readFileSync(`${directory}/comm`, "utf8")).to.match(/\S/);
  });

  it("run poststop also for a container that is deleted by force", () => {
    const { c, file } = hooked(["poststop"]);
    c.up();
    c.delete(["--force"]).ok();
    expect(names(file)).to.deep.equal(["poststop"]);
  });

  it("run poststop after a foreground run", () => {
    const { c, file } = hooked(kinds);
    c.rewrite((config) => {
      config.process.args = ["/bin/true"];
    });
    c.run().ok();
    expect(names(file)).to.include.members([...kinds]);
    expect(names(file).at(-1)).to.equal("poststop");
  });
});

describe("hooks that fail", () => {
  for (const kind of ["prestart", "createRuntime", "createContainer"] as const) {
    it(`${kind} fails create, stops the container and runs poststop`, () => {
      const { c, file } = hooked([kind, "poststop"], { [kind]: ["7"] });
      const result = c.create();
      result.fails(/hook/, 1);
      expect(result.lastError).to.match(/hook.*(exit status 7|status 7)|says no/);
      expect(names(file)).to.include(kind);
      expect(c.status()).to.equal("absent");
      expect(traces(c.id)).to.deep.equal([]);
    });

    it(`${kind} failing runs poststop`, () => {
      const { c, file } = hooked([kind, "poststop"], { [kind]: ["7"] });
      c.create().fails();
      expect(names(file)).to.deep.equal([kind, "poststop"]);
    });

    it(`${kind} failing keeps the next hooks from running`, () => {
      const later = kinds.slice(kinds.indexOf(kind) + 1).filter((name) => name !== "poststop");
      const { c, file } = hooked([kind, ...later], { [kind]: ["1"] });
      c.create().fails(/hook/);
      expect(names(file)).to.deep.equal([kind]);
    });
  }

  it("startContainer fails start and the program does not run", async () => {
    const { c, file } = hooked(["startContainer"], { startContainer: ["3"] }, (config) => {
      config.process.args = ["/probe", "say", "program"];
    });
    c.create().ok();
    c.start();
    await until("the hook", () => names(file).length > 0);
    await until("the end", () => ["stopped", "absent"].includes(c.status()));
    expect(c.output()).to.not.match(/program/);
  });

  it(
    "poststart fails start and stops the container",
    known(
      "runc",
      "spec since 1.3: a failing poststart is an error and stops the container; runc ran it in create until #5186, and leaves the container running since",
      async () => {
        const { c, file } = hooked(["poststart"], { poststart: ["3"] }, (config) => {
          config.ociVersion = "1.3.0";
        });
        c.create().ok();
        c.start().fails(/hook/, 1);
        expect(names(file)).to.deep.equal(["poststart"]);
        await until("the end", () => ["stopped", "absent"].includes(c.status()), 3000);
      },
    ),
  );

  it(
    "poststart only warns for a bundle of spec 1.2 or before: the later hooks run",
    known("runc", "spec until 1.2, lifecycle step 9: log a warning and continue", () => {
      const { c, file } = hooked(["poststart"], { poststart: ["3"] });
      c.rewrite((config) => config.hooks?.poststart?.push(reporter(file, "second", "poststart")));
      c.up();
      expect(c.status()).to.equal("running");
      expect(names(file)).to.deep.equal(["poststart", "second"]);
    }),
  );

  it(
    "poststop only warns: the container is deleted, the later hooks run",
    known(
      "runc",
      "spec: lifecycle step 13: log a warning and continue as if the hook had succeeded; runc returns the error",
      async () => {
        const { c, file } = hooked(["poststop"], { poststop: ["3"] });
        c.rewrite((config) => config.hooks?.poststop?.push(reporter(file, "second", "poststop")));
        c.up();
        c.kill("KILL").ok();
        await c.reaches("stopped");
        c.delete().ok();
        expect(c.status()).to.equal("absent");
        expect(names(file)).to.deep.equal(["poststop", "second"]);
        expect(traces(c.id)).to.deep.equal([]);
      },
    ),
  );

  it("a hook that does not exist fails create", () => {
    const c = sleeper((config) => {
      config.hooks = { createRuntime: [{ path: "/no/such/hook" }] };
    });
    c.create().fails(/no such file or directory/, 1);
    expect(traces(c.id)).to.deep.equal([]);
  });

  it(
    "a relative path is refused",
    known(
      "runc <1.2",
      "config.md: path MUST be absolute; runc 1.1 looks it up from its own directory",
      () => {
        const c = sleeper((config) => {
          config.hooks = { createRuntime: [{ path: "bin/true" }] };
        });
        const result = c.create([], { cwd: "/" });
        result.fails(/absolute/, 1);
      },
    ),
  );

  it("a hook that outlives its timeout is killed and fails create", () => {
    const { c, file } = hooked(["createRuntime"], { createRuntime: ["0", "30000"] }, (config) => {
      for (const hook of config.hooks?.createRuntime ?? []) hook.timeout = 1;
    });
    const begun = Date.now();
    c.create().fails(/hook/, 1);
    expect(Date.now() - begun).to.be.lessThan(10_000);
    const pid = reports(file)[0]?.pid ?? 0;
    expect(isAlive(pid)).to.equal(false);
    expect(traces(c.id)).to.deep.equal([]);
  });

  it("a timeout that is not reached does nothing", () => {
    const { c } = hooked(["createRuntime"], { createRuntime: ["0", "100"] }, (config) => {
      for (const hook of config.hooks?.createRuntime ?? []) hook.timeout = 20;
    });
    c.create().ok();
    expect(c.status()).to.equal("created");
  });

  it("a timeout of zero or less is refused", () => {
    const { c } = hooked(["createRuntime"], {}, (config) => {
      for (const hook of config.hooks?.createRuntime ?? []) hook.timeout = 0;
    });
    c.create().fails(/timeout/, 1);
  });

  it("the hook's stderr is part of the error", () => {
    const { c } = hooked(["createRuntime"], { createRuntime: ["9"] });
    const result = c.create();
    result.fails(undefined, 1);
    expect(result.lastError).to.match(/hook createRuntime says no/);
  });

  it("a hook that does not read its stdin is no problem", () => {
    const c = container((config) => {
      config.annotations = { filler: "x".repeat(300_000) };
      config.hooks = { createRuntime: [{ path: "/bin/true" }] };
      config.process.args = ["/bin/true"];
    });
    c.run().ok();
  });
});
