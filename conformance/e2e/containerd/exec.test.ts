/** `ctr task exec`: more processes in a container. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { withoutNamespace } from "../../harness/bundle.ts";
import { allPids, isAlive, parentOf } from "../../harness/processes.ts";
import { until } from "../../harness/wait.ts";
import { Container, ctrOnPty, untilGone } from "./ctr.ts";
import { workDirectory } from "./daemon.ts";

const shell = (script: string): string[] => ["sh", "-c", script];

describe("ctr task exec", () => {
  it("passes outputs, input and exit code on", async () => {
    const c = await new Container().up();
    const result = await c.exec(shell("cat; echo err >&2; exit 3"), [], { input: "in\n" });
    result.ended(3);
    expect(result.stdout).to.equal("in\n");
    expect(result.stderr).to.equal("err\n");
    (await c.exec(shell("kill -9 $$"))).ended(137);
    (await c.exec(["true"])).ok();
  });

  it("takes user and working directory", async () => {
    const c = await new Container().up();
    const result = await c.exec(shell("id; pwd"), ["--user", "guest", "--cwd", "/usr"]);
    expect(result.ok().stdout).to.match(/^uid=1000\(guest\) gid=1000\(guest\).*\n\/usr\n$/);
    const numbers = await c.exec(shell("id -u; id -g"), ["--user", "12:34"]);
    expect(numbers.ok().stdout).to.equal("12\n34\n");
  });

  it("inherits the container's environment", async () => {
    const c = await new Container().up(["--env", "SOME=thing"]);
    expect((await c.exec(shell("echo $SOME $IMAGE"))).ok().stdout).to.equal("thing e2e\n");
  });

  it("takes more than 100 kB of arguments", async () => {
    const c = await new Container().up();
    const long = "x".repeat(60_000);
    const result = (await c.exec(["sh", "-c", 'echo "$1$2"', "sh", long, long])).ok();
    expect(result.stdout).to.equal(`${long}${long}\n`);
  });

  it("runs on a terminal", async () => {
    const c = await new Container().up();
    // ctr tells the size after the start
    const sized = 'until test "$(stty size)" = "33 99"; do sleep 0.01; done; stty size';
    const script = `tty; ${sized}; read x; echo got $x`;
    const terminal = ctrOnPty(c.execArgs(shell(script), ["--tty"]), 33, 99);
    await terminal.prints(/\/dev\/pts\/0\r+\n/);
    await terminal.prints(/33 99\r+\n/);
    terminal.type("words\n");
    await terminal.prints(/got words\r+\n/);
    expect(await terminal.exit()).to.equal(0);
  });

  it("detached: is listed, can be killed and deleted by its id", async () => {
    const c = await new Container().up();
    const log = join(workDirectory("log"), "log");
    const flags = ["--detach", "--exec-id", "bg", "--log-uri", `file://${log}`];
    (await c.exec(shell("echo started; sleep 1000"), flags)).ok();
    await until("its output", () => readFileSync(log, "utf8") === "started\n");
    const { stdout } = (await c.task("ps")).ok();
    const row = stdout.split("\n").find((line) => line.includes("bg"));
    const pid = Number(row?.trim().split(/\s+/)[0]);
    expect(isAlive(pid)).to.equal(true);
    (await c.task("kill", ["--exec-id", "bg", "--signal", "SIGKILL"])).ok();
    await untilGone(pid);
    (await c.task("delete", ["--exec-id", "bg"])).ended(137);
    (await c.task("kill", ["--exec-id", "bg"])).fails(/not found/);
    expect(await c.status()).to.equal("RUNNING");
  });

  it("refuses an id that is taken", async () => {
    const c = await new Container().up();
    const first = c.launchExec(shell("echo up; sleep 1000"), ["--exec-id", "same"]);
    await until("the first one", () => first.stdout() === "up\n");
    (await c.exec(["true"], ["--exec-id", "same"])).fails(/already exists/);
    await c.kill("SIGKILL", ["--exec-id", "same"]);
    (await first.done).ended(137);
    (await c.exec(["true"], ["--exec-id", "same"])).ok();
  });

  it("names a missing executable, and the next one works", async () => {
    const c = await new Container().up();
    const result = await c.exec(["no-such-program"], ["--exec-id", "bad"]);
    result.fails(/exec: "no-such-program": executable file not found in \$PATH/);
    (await c.exec(["true"], ["--exec-id", "bad"])).ok();
    (await c.exec(["true"], ["--cwd", "/no/such/dir"])).fails(/no such file or directory|chdir/);
    (await c.exec(["true"])).ok();
  });

  it("refuses a container that has ended or is paused", async () => {
    const c = await new Container().up();
    (await c.task("pause")).ok();
    (await c.exec(["true"])).fails(/paused/);
    (await c.task("resume")).ok();
    (await c.exec(["true"])).ok();
    await c.stop();
    (await c.exec(["true"])).fails(/stopped|not running/);
  });

  it("ends with the container", async () => {
    const c = await new Container().up();
    const running = c.launchExec(shell("echo up; sleep 1000"));
    await until("the exec", () => running.stdout() === "up\n");
    await c.kill();
    (await running.done).ended(137);
    await c.reaches("STOPPED");
  });

  it("leaves no zombie behind, and orphans of the host's pid namespace are reaped", async () => {
    const c = await new Container().upWithConfig((config) => withoutNamespace(config, "pid"));
    const shim = await c.shim();
    const script = "for i in 1 2 3; do (exec sleep 0.1) & done";
    for (let i = 0; i < 3; i++) (await c.exec(shell(script))).ok();
    const children = () => allPids().filter((pid) => parentOf(pid) === shim);
    await until("only the first process below the shim", () => children().length === 1);
    expect(children()).to.deep.equal([await c.pid()]);
  });

  it("many at once", async () => {
    const c = await new Container().up();
    const numbers = Array.from({ length: 20 }, (_, i) => i);
    const results = await Promise.all(numbers.map((i) => c.exec(shell(`echo ${i}; exit ${i}`))));
    for (const i of numbers) expect(results[i]?.ended(i).stdout).to.equal(`${i}\n`);
  });
});
