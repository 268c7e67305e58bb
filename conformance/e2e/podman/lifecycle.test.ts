/** What happens to containers that exist: stop, kill, restart, pause, rm, top, stats, cp, commit, checkpoint, policies. */
import { expect } from "chai";
import { cgroupDirectory, cgroupsNamed, isAlive, readOrEmpty } from "../../harness/processes.ts";
import { eventually } from "../../harness/wait.ts";
import { type Container, created, obedient, shell, untilGone, up } from "./container.ts";
import { cgroupParent, imageName, podman, workDirectory, workFile } from "./engine.ts";
import { lasting } from "./leaks.ts";

async function hasPrinted(c: Container, text: string): Promise<void> {
  await eventually(text, async () => (await c.verb("logs")).ok().stdout.includes(text));
}

describe("podman stop, kill, restart, rm", () => {
  it("stop sends TERM and waits", async () => {
    const c = await up([], obedient);
    await hasPrinted(c, "up");
    (await c.verb("stop")).ok();
    const state = await c.state();
    expect(state.Status).to.equal("exited");
    expect(state.ExitCode).to.equal(3);
    expect((await c.verb("logs")).ok().stdout).to.equal("up\nterm\n");
  });

  it("stop sends KILL when the time is over", async () => {
    const c = await up();
    const pid = await c.pid();
    (await c.verb("stop", ["--time", "1"])).ok();
    expect((await c.state()).ExitCode).to.equal(137);
    await untilGone(pid);
  });

  it("stop sends the signal that the container asks for", async () => {
    const script = "trap 'exit 6' USR1; echo up; while :; do sleep 0.1; done";
    const c = await up(["--stop-signal", "USR1"], shell(script));
    await hasPrinted(c, "up");
    (await c.verb("stop")).ok();
    expect((await c.state()).ExitCode).to.equal(6);
  });

  it("kill sends any signal; a container that has ended gets none", async () => {
    const c = await up([], obedient);
    await hasPrinted(c, "up");
    (await c.verb("kill", ["--signal", "TERM"])).ok();
    expect(await c.wait()).to.equal(3);
    (await c.verb("kill")).fails(/can only kill running containers/, 125);
  });

  it("restart starts a new process", async () => {
    const c = await up();
    const first = await c.pid();
    (await c.verb("restart", ["--time", "0"])).ok();
    const second = await c.pid();
    expect(second).to.not.equal(first);
    expect(isAlive(first)).to.equal(false);
    expect(isAlive(second)).to.equal(true);
  });

  it("rm refuses what runs, and takes it with --force, all of its processes", async () => {
    const c = await up([], shell("sleep 1000 & sleep 1000"));
    const pid = await c.pid();
    (await c.verb("rm")).fails(/as it is running|cannot remove container/);
    (await c.verb("rm", ["--force", "--time", "0"])).ok();
    await untilGone(pid);
    expect(await lasting()).to.deep.equal([]);
  });

  it("rm of a container that was never started", async () => {
    const c = await created();
    (await c.verb("init")).ok();
    expect((await c.state()).Status).to.equal("initialized");
    (await c.verb("rm", ["--force", "--time", "0"])).ok();
    expect(await lasting()).to.deep.equal([]);
  });

  it("notices when its first process is killed from outside", async () => {
    const c = await up([], shell("sleep 1000 & sleep 1000"));
    process.kill(await c.pid(), "SIGKILL");
    expect((await c.reaches("exited")).ExitCode).to.equal(137);
    (await c.verb("rm")).ok();
    expect(await lasting()).to.deep.equal([]);
  });

  it("stops two containers that share a PID namespace one after the other", async () => {
    const first = await up();
    const second = await up(["--pid", `container:${first.id}`]);
    (await second.verb("stop", ["--time", "0"])).ok();
    expect((await second.state()).Status).to.equal("exited");
    expect((await first.state()).Running).to.equal(true);
  });
});

describe("podman pause", () => {
  it("freezes, refuses exec, and thaws", async () => {
    const c = await up([], shell("while :; do echo x >> /tmp/x; sleep 0.02; done"));
    (await c.verb("pause")).ok();
    expect((await c.state()).Status).to.equal("paused");
    const directory = cgroupDirectory(await c.pid(), "freezer");
    const frozen =
      readOrEmpty(`${directory}/freezer.state`) || readOrEmpty(`${directory}/cgroup.freeze`);
    expect(frozen.trim()).to.be.oneOf(["FROZEN", "1"]);
    (await c.exec(["true"])).fails(/container state improper/);
    (await c.verb("unpause")).ok();
    await c.says(["true"]);
  });

  it("rm --force takes a paused container", async () => {
    const c = await up();
    (await c.verb("pause")).ok();
    (await c.verb("rm", ["--force", "--time", "0"])).ok();
    expect(await lasting()).to.deep.equal([]);
  });
});

describe("looking at and changing containers", () => {
  it("inspect has what the runtime was told and what it answers", async () => {
    const c = await up(["--memory", "64m", "--name", "seen"]);
    expect(await c.inspect(".Name")).to.equal("seen");
    expect(await c.inspect(".HostConfig.Memory")).to.equal(64 << 20);
    const state = await c.state();
    expect(state.Status).to.equal("running");
    expect(isAlive(state.Pid)).to.equal(true);
    expect(isAlive(state.ConmonPid)).to.equal(true);
    const parent = /^PPid:\s+(\d+)/m.exec(readOrEmpty(`/proc/${state.Pid}/status`))?.[1];
    expect(Number(parent), "the init's parent").to.equal(state.ConmonPid);
  });

  it("top lists the processes", async () => {
    const c = await up([], shell("sleep 1234 & sleep 1235"));
    await eventually("both processes", async () => {
      const { stdout } = (await c.verb("top", [], ["pid", "args"])).ok();
      return stdout.includes("sleep 1234") && stdout.includes("sleep 1235");
    });
  });

  it("stats shows memory and processes", async () => {
    const c = await up(["--memory", "64m"]);
    const format = "{{.PIDs}} {{.MemUsage}}";
    const { text } = (await c.verb("stats", ["--no-stream", "--format", format])).ok();
    expect(text).to.match(/^1 [\d.]+[kM]?B \/ 67\.11MB$/);
  });

  it("cp goes in and out", async () => {
    const c = await up();
    const directory = workDirectory("copy");
    (await podman(["cp", workFile("in", "text\n"), `${c.id}:/tmp/in`])).ok();
    expect(await c.says(["cat", "/tmp/in"])).to.equal("text");
    (await podman(["cp", `${c.id}:/tmp/in`, `${directory}/out`])).ok();
    expect(readOrEmpty(`${directory}/out`)).to.equal("text\n");
  });

  it("diff and commit have what was written", async () => {
    const c = await up([], shell("echo kept > /tmp/kept; sleep 1000"));
    await eventually("the file", async () =>
      (await c.verb("diff")).ok().stdout.includes("A /tmp/kept"),
    );
    const image = "localhost/e2e/committed";
    (await podman(["commit", "--quiet", c.id, image])).ok();
    const args = ["run", "--rm", "--cgroup-parent", cgroupParent, image, "cat", "/tmp/kept"];
    expect((await podman(args)).ok().text).to.equal("kept");
    (await podman(["rmi", image])).ok();
  });

  it("checkpoint is refused with a reason, and the container goes on", async () => {
    const c = await up();
    (await c.verb("container", [], [])).fails(/unrecognized command/);
    const result = await podman(["container", "checkpoint", c.id]);
    result.fails(/checkpoint/i, 125);
    expect((await c.state()).Running).to.equal(true);
    await c.says(["true"]);
  });
});

describe("restart policies and health checks", () => {
  it("starts again on failure, as often as it may", async () => {
    const flags = ["--restart", "on-failure:2"];
    const c = await up(flags, shell("echo once; exit 3"));
    await eventually("two restarts", async () => (await c.inspect(".RestartCount")) === 2);
    await c.reaches("exited");
    expect((await c.state()).ExitCode).to.equal(3);
    expect((await c.verb("logs")).ok().stdout).to.equal("once\nonce\nonce\n");
  });

  it("does not start again what was stopped", async () => {
    const c = await up(["--restart", "always"]);
    (await c.verb("stop", ["--time", "0"])).ok();
    expect((await c.state()).Status).to.equal("exited");
  });

  it("runs a health check in the container", async () => {
    const flags = ["--health-cmd", "test -e /tmp/well", "--health-interval", "disable"];
    const c = await up([...flags, "--health-retries", "1"]);
    (await podman(["healthcheck", "run", c.id])).ended(1);
    await c.says(["touch", "/tmp/well"]);
    (await podman(["healthcheck", "run", c.id])).ok();
  });

  it("builds an image with RUN", async () => {
    const directory = workDirectory("build");
    const file = workFile("Containerfile", `FROM ${imageName}\nRUN echo made > /made && id -u\n`);
    const args = ["build", "--network", "host", "--tag", "made"];
    // --cgroup-parent is the container's very cgroup for podman build, so that it must not have others below it
    const before = cgroupsNamed("buildah-");
    const result = await podman([...args, "--file", file, directory]);
    expect(result.ok().stdout).to.match(/^0$/m);
    const ran = await podman([
      "run",
      "--rm",
      "--cgroup-parent",
      cgroupParent,
      "made",
      "cat",
      "/made",
    ]);
    expect(ran.ok().text).to.equal("made");
    (await podman(["rmi", "--force", "made"])).ok();
    expect(cgroupsNamed("buildah-")).to.deep.equal(before);
  });
});
