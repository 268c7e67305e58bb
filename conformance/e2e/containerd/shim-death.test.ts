/** A shim is killed: containerd notices, and everything that the shim hosted is gone. */
import { expect } from "chai";
import { isAlive } from "../../harness/processes.ts";
import { until } from "../../harness/wait.ts";
import { Container, ctr, freshId, untilGone } from "./ctr.ts";
import { startDaemon, stopDaemon } from "./daemon.ts";
import { Events } from "./events.ts";
import { lasting, shimSockets } from "./leaks.ts";
import { known } from "./subject.ts";

const shell = (script: string): string[] => ["sh", "-c", script];

/** What is left, but for the directories of fifos, which belong to the client. */
async function left(): Promise<string[]> {
  return await lasting(10_000, (trace) => !trace.startsWith("fifo"));
}

describe("kill -9 of a shim", () => {
  it("ends the container with all of its processes, mounts and cgroups, and tells so", async () => {
    const events = await Events.open();
    const c = await new Container().up([], shell("sleep 1000 & sleep 1000; true"));
    const flags = ["--detach", "--exec-id", "e", "--log-uri", "file:///dev/null"];
    (await c.exec(["sleep", "1000"], flags)).ok();
    const shim = await c.shim();
    process.kill(shim, "SIGKILL");
    const { body } = await events.next(c.id, "exit");
    expect(body["exit_status"]).to.be.oneOf([137, 255]);
    await events.close();
    expect(await left()).to.deep.equal([]);
    expect(await c.row()).to.equal(undefined);
    (await c.task("kill")).fails(/not found/);
  });

  it("ends all containers of a group", async () => {
    const flags = ["--annotation", `io.containerd.runc.v2.group=${freshId()}`];
    const containers = [];
    for (let i = 0; i < 4; i++) containers.push(await new Container().up(flags));
    const paused = containers[1];
    (await paused?.task("pause"))?.ok();
    process.kill((await containers[0]?.shim()) ?? 0, "SIGKILL");
    expect(await left()).to.deep.equal([]);
    for (const c of containers) expect(await c.row()).to.equal(undefined);
    (await new Container().run(["--rm", ...flags], ["true"])).ok();
  });

  it("is noticed by a client that waits", async () => {
    const c = new Container();
    const running = c.launch([], shell("echo up; sleep 1000"));
    await until("the container", () => running.stdout() === "up\n");
    const pid = await c.pid();
    process.kill(await c.shim(), "SIGKILL");
    const { status } = await running.done;
    expect(status).to.not.equal(0);
    await untilGone(pid);
  });

  it(
    "leaves no socket",
    known({ shim: "runc" }, "its delete command does not look for one", async () => {
      const flags = ["--annotation", `io.containerd.runc.v2.group=${freshId()}`];
      const containers = [await new Container().up(flags), await new Container().up(flags)];
      process.kill((await containers[0]?.shim()) ?? 0, "SIGKILL");
      expect(await left()).to.deep.equal([]);
      expect(shimSockets()).to.deep.equal([]);
    }),
  );

  it("leaves the container's name free", async () => {
    const c = await new Container().up();
    process.kill(await c.shim(), "SIGKILL");
    expect(await left()).to.deep.equal([]);
    (await c.task("start", ["--detach"])).ok();
    expect(await c.status()).to.equal("RUNNING");
    (await c.exec(["true"])).ok();
  });

  it("while containerd is down: cleaned up at its start", async () => {
    const c = await new Container().up();
    const [pid, shim] = [await c.pid(), await c.shim()];
    await stopDaemon("SIGKILL");
    process.kill(shim, "SIGKILL");
    await untilGone(shim);
    await startDaemon();
    expect(await left()).to.deep.equal([]);
    expect(isAlive(pid)).to.equal(false);
    expect(await c.row()).to.equal(undefined);
    (await ctr(["container", "delete", c.id])).ok();
  });

  it("and of the container at the same time", async () => {
    const c = await new Container().up();
    const [pid, shim] = [await c.pid(), await c.shim()];
    process.kill(shim, "SIGKILL");
    process.kill(pid, "SIGKILL");
    expect(await left()).to.deep.equal([]);
  });
});
