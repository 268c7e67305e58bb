/** The life of a container: stop, kill, restart, wait, pause, rename, restart policies, health checks. */
import { expect } from "chai";
import { isAlive } from "../../harness/processes.ts";
import { eventually, sleep } from "../../harness/wait.ts";
import { docker, mainDaemon, run, shell, untilGone, up } from "./container.ts";

describe("docker stop, kill, restart, wait", () => {
  it("stop sends TERM and takes the program's status", async () => {
    const c = await up([], shell("trap 'exit 12' TERM; while :; do sleep 0.05; done"));
    (await c.verb("stop")).ok();
    expect((await c.state()).ExitCode).to.equal(12);
  });

  it("stop sends KILL to what ignores TERM", async () => {
    const c = await up([], shell("trap '' TERM; while :; do sleep 0.05; done"));
    const result = (await c.verb("stop", ["--time", "1"])).ok();
    expect(result.tookMs).to.be.above(900).and.below(8000);
    expect((await c.state()).ExitCode).to.equal(137);
  });

  it("stop sends the signal that the container asks for", async () => {
    const script = "trap 'exit 21' USR2; while :; do sleep 0.05; done";
    const c = await up(["--stop-signal", "SIGUSR2"], shell(script));
    (await c.verb("stop")).ok();
    expect((await c.state()).ExitCode).to.equal(21);
  });

  it("kill sends signals by name and number", async () => {
    const script = "trap 'echo hup' HUP; trap 'exit 13' INT; while :; do sleep 0.05; done";
    const c = await up([], shell(script));
    (await c.verb("kill", ["--signal", "HUP"])).ok();
    await eventually("the trap", async () => (await c.logs()).includes("hup"));
    (await c.verb("kill", ["--signal", "2"])).ok();
    expect(await c.wait()).to.equal(13);
    (await c.verb("kill")).fails(/is not running/);
  });

  it("restart gives a new process and keeps the rest", async () => {
    const c = await up([], shell("echo x >>/n; exec sleep 1000"));
    const before = await c.pid();
    (await c.verb("restart", ["--time", "0"])).ok();
    expect(isAlive(before)).to.equal(false);
    expect(await c.says(["wc", "-l", "/n"])).to.equal("2 /n");
  });

  it("wait ends with the container, for several clients", async () => {
    const c = await up([], shell("sleep 1; exit 33"));
    const all = await Promise.all([c.wait(), c.wait(), c.wait()]);
    expect(all).to.deep.equal([33, 33, 33]);
  });

  it("tells the story as events", async () => {
    const since = new Date().toISOString();
    const c = await up([], ["sleep", "1000"]);
    (await c.exec(["true"])).ok();
    (await c.verb("pause")).ok();
    (await c.verb("unpause")).ok();
    (await c.verb("kill")).ok();
    await c.reaches("exited");
    await c.remove();
    const until = new Date(Date.now() + 300).toISOString();
    const flags = ["--since", since, "--until", until, "--filter", "type=container"];
    const { lines } = (await docker(["events", ...flags, "--format", "{{.Action}}"])).ok();
    const actions = lines.map((line) => line.replace(/:.*/, ""));
    const order = ["create", "start", "exec_create", "exec_start", "exec_die", "pause", "unpause"];
    const expected = [...order, "kill", "die", "destroy"];
    expect(actions.filter((action) => expected.includes(action))).to.deep.equal(expected);
  });
});

describe("docker pause and unpause", () => {
  it("freezes all processes and lets them go on", async () => {
    const c = await up([], shell("i=0; while :; do i=$((i+1)); echo $i >/tmp/i; sleep 0.02; done"));
    (await c.verb("pause")).ok();
    expect((await c.state()).Paused).to.equal(true);
    const copy = async () => (await docker(["cp", `${c.id}:/tmp/i`, "-"])).ok().stdout;
    const first = await copy();
    await sleep(300);
    expect(await copy()).to.equal(first);
    (await c.verb("unpause")).ok();
    await eventually("more", async () => (await copy()) !== first);
  });

  it("removes a paused container by force", async () => {
    const c = await up();
    const pid = await c.pid();
    (await c.verb("pause")).ok();
    await c.remove();
    await untilGone(pid);
  });

  it("stops a paused container", async () => {
    const c = await up();
    (await c.verb("pause")).ok();
    (await c.verb("stop", ["--time", "1"])).ok();
    expect((await c.state()).Status).to.equal("exited");
  });
});

describe("restart policies", () => {
  it("always: starts again what ends, until it is stopped", async () => {
    const c = await up(["--restart", "always"], shell("echo x >>/n; sleep 0.2"));
    const restarts = () => c.inspect<number>(".RestartCount");
    await eventually("two restarts", async () => (await restarts()) >= 2, 20_000);
    (await c.verb("stop")).ok();
    expect((await c.state()).Status).to.equal("exited");
  });

  it("on-failure: counts its attempts, and leaves a good end alone", async () => {
    const bad = await up(["--restart", "on-failure:2"], shell("exit 5"));
    const good = await up(["--restart", "on-failure:2"], ["true"]);
    await eventually(
      "the last attempt",
      async () => (await bad.inspect(".RestartCount")) === 2,
      20_000,
    );
    expect((await bad.reaches("exited")).ExitCode).to.equal(5);
    await good.reaches("exited");
    expect(await good.inspect(".RestartCount")).to.equal(0);
  });

  it("unless-stopped and a process killed from outside", async () => {
    const c = await up(["--restart", "unless-stopped"]);
    const first = await c.pid();
    process.kill(first, "SIGKILL");
    const second = await eventually("another process", async () => {
      const { Pid, Running } = await c.state();
      return Running && Pid !== first ? Pid : undefined;
    });
    expect(isAlive(second)).to.equal(true);
  });
});

describe("health checks", () => {
  const flags = ["--health-interval", "200ms", "--health-retries", "2", "--health-timeout", "2s"];
  const health = async (c: Awaited<ReturnType<typeof up>>) => (await c.state()).Health;

  it("goes from healthy to unhealthy and back", async () => {
    const c = await up(
      [...flags, "--health-cmd", "test -e /well && echo fine"],
      shell("touch /well; exec sleep 1000"),
    );
    await eventually("health", async () => (await health(c))?.Status === "healthy");
    expect((await health(c))?.Log.at(-1)).to.include({ ExitCode: 0, Output: "fine\n" });
    (await c.exec(["rm", "/well"])).ok();
    await eventually("illness", async () => (await health(c))?.Status === "unhealthy");
    expect((await health(c))?.FailingStreak).to.be.at.least(2);
    (await c.exec(["touch", "/well"])).ok();
    await eventually("health again", async () => (await health(c))?.Status === "healthy");
  });

  it("ends a check that takes too long", async () => {
    const slow = [
      "--health-cmd",
      "sleep 1000",
      "--health-timeout",
      "300ms",
      "--health-retries",
      "1",
    ];
    const c = await up(["--health-interval", "200ms", ...slow]);
    await eventually("illness", async () => (await health(c))?.Status === "unhealthy", 20_000);
    expect((await health(c))?.Log[0]?.Output).to.match(/timeout|exceeded/i);
  });
});

describe("docker update and rename", () => {
  it("renames a running container", async () => {
    const c = await up(["--name", "old"]);
    (await c.verb("rename", [], ["new"])).ok();
    expect((await docker(["exec", "new", "echo", "here"])).ok().text).to.equal("here");
  });

  it("changes the restart policy of a running container", async () => {
    const c = await up();
    (await c.verb("update", ["--restart", "on-failure:3"])).ok();
    expect(await c.inspect(".HostConfig.RestartPolicy.Name")).to.equal("on-failure");
  });

  it("prunes what has ended", async () => {
    (await run(["--name", "stays"], ["true"])).ok();
    const c = await up([], ["true"]);
    await c.reaches("exited");
    const { stdout } = (await docker(["system", "prune", "--force"])).ok();
    expect(stdout).to.contain(c.id);
    expect((await mainDaemon().docker(["ps", "-aq"])).text).to.equal("");
  });
});
