/** The run command: exit statuses, output, detaching, --pid-file and --keep. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect } from "chai";
import { container, readPidFile, sleeper } from "../harness/container.ts";
import { traces } from "../harness/leaks.ts";
import { isAlive } from "../harness/processes.ts";
import { scratchDirectory } from "../harness/scratch.ts";

/** Runs the words as the container's program. */
function program(...args: string[]) {
  return container((config) => {
    config.process.args = args;
  });
}

describe("run in the foreground", () => {
  for (const status of [0, 1, 42, 255]) {
    it(`exits with the program's status ${status}`, () => {
      const c = program("/probe", "exit", String(status));
      expect(c.run().status).to.equal(status);
      expect(traces(c.id), "the container is deleted at once").to.deep.equal([]);
    });
  }

  for (const [name, number] of [
    ["KILL", 9],
    ["TERM", 15],
    ["SEGV", 11],
  ] as const) {
    it(`exits with 128+${number} when a signal ends the program`, async () => {
      // PID 1 is immune to its own signals: send it from outside, to a program with a handler where the kernel needs one.
      const c = program("/probe", "signal-self", name);
      c.bundle.config.linux.namespaces = c.bundle.config.linux.namespaces.filter(
        ({ type }) => type !== "pid",
      );
      c.rewrite(() => undefined);
      expect(c.run().status).to.equal(128 + number);
    });
  }

  it("passes stdout and stderr through, and the program's stdin", () => {
    const c = program("/bin/sh", "-c", "cat; echo problem >&2");
    const result = c.run([], { input: "typed\n" }).ok();
    expect(result.stdout).to.equal("typed\n");
    expect(result.stderr).to.equal("problem\n");
  });

  it("prints nothing of its own and logs no error when all is well", () => {
    const result = program("/bin/true").run().ok();
    expect(result.stdout + result.stderr).to.equal("");
    expect(result.lastError).to.equal(undefined);
  });

  it("forwards signals to the program", async () => {
    const c = program("/probe", "catch");
    const launched = c.launchRun();
    await c.prints(/ready/);
    launched.kill("SIGUSR1");
    await c.prints(/"signal":10/);
    launched.kill("SIGHUP");
    await c.prints(/"signal":1}/);
    launched.kill("SIGTERM");
    expect((await launched.done).status).to.equal(0);
  });

  it("keeps a signal that comes before it supervises, and passes it on", async () => {
    const hook = { path: "/bin/sleep", args: ["sleep", "1"] };
    const c = program("/probe", "catch");
    c.bundle.config.hooks = { poststart: [hook] };
    c.rewrite(() => undefined);
    const launched = c.launchRun();
    await c.prints(/ready/);
    launched.kill("SIGUSR1");
    await c.prints(/"signal":10/);
    launched.kill("SIGTERM");
    expect((await launched.done).status).to.equal(0);
  });

  it("ends when the container is killed from outside", async () => {
    const c = sleeper();
    const launched = c.launchRun();
    await c.reaches("running");
    c.kill("KILL").ok();
    expect((await launched.done).status).to.equal(137);
    expect(c.status()).to.equal("absent");
  });

  it("kills what the program left behind in its PID namespace", () => {
    const c = program("/probe", "orphan", "+", "exit", "7");
    expect(c.run().status).to.equal(7);
    expect(traces().filter((trace) => trace.startsWith("process"))).to.deep.equal([]);
  });

  it("keeps the stopped container with --keep", () => {
    const c = program("/bin/true");
    c.run(["--keep"]).ok();
    expect(c.status()).to.equal("stopped");
    c.delete().ok();
  });

  it("fails and leaves nothing when the program does not exist", () => {
    const c = program("/no/such/program");
    c.run().fails(/no such file or directory/, 1);
    expect(traces(c.id)).to.deep.equal([]);
  });
});

describe("run --detach", () => {
  it("returns 0 while the program runs on", async () => {
    const c = sleeper();
    c.run(["--detach"]).ok();
    expect(c.status()).to.equal("running");
    c.kill("KILL").ok();
    await c.reaches("stopped");
    c.delete().ok();
  });

  it("does not delete the container when the program ends", async () => {
    const c = program("/probe", "exit", "9");
    c.run(["-d"]).ok();
    await c.reaches("stopped");
  });

  it("accepts Go-style flags: one dash, and values after =", async () => {
    const c = sleeper();
    c.command("run", [`-bundle=${c.bundle.path}`, "-detach=true", "-no-subreaper"]).ok();
    expect(c.status()).to.equal("running");
  });

  it("accepts --detach=false", () => {
    const c = program("/probe", "exit", "6");
    expect(c.run(["--detach=false"]).status).to.equal(6);
  });
});

describe("--pid-file", () => {
  it("holds the digits of the init's pid and nothing else when create returns", () => {
    const c = sleeper();
    const file = `${scratchDirectory("pid")}/init.pid`;
    c.create(["--pid-file", file]).ok();
    expect(readPidFile(file)).to.equal(c.state().pid);
    expect(isAlive(readPidFile(file))).to.equal(true);
  });

  it("replaces an old file and leaves no temporary one beside it", () => {
    const c = sleeper();
    const file = `${scratchDirectory("pid")}/init.pid`;
    c.run(["--detach", "--pid-file", file]).ok();
    expect(readdirSync(dirname(file))).to.deep.equal(["init.pid"]);
    const first = readPidFile(file);
    const d = sleeper();
    d.run(["--detach", "--pid-file", file]).ok();
    expect(readPidFile(file)).to.not.equal(first);
    expect(readPidFile(file)).to.equal(d.state().pid);
    expect(readdirSync(dirname(file))).to.deep.equal(["init.pid"]);
  });

  it("is relative to the caller's directory", () => {
    const c = sleeper();
    const cwd = scratchDirectory("pid");
    c.create(["--pid-file", "here.pid"], { cwd }).ok();
    expect(existsSync(`${cwd}/here.pid`)).to.equal(true);
    expect(readFileSync(`${cwd}/here.pid`, "utf8")).to.equal(String(c.state().pid));
  });

  it("that cannot be written fails create and leaves nothing", () => {
    const c = sleeper();
    c.create(["--pid-file", "/no/such/directory/pid"]).fails(/no such file or directory/, 1);
    expect(c.status()).to.equal("absent");
    expect(traces(c.id)).to.deep.equal([]);
  });
});
