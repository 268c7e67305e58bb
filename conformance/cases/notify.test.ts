/** Telling others about readiness and identity: NOTIFY_SOCKET (systemd) and --pidfd-socket. */
import { expect } from "chai";
import { container, sleeper } from "../harness/container.ts";
import { requires } from "../harness/requires.ts";
import { notifySocket, type Received, receiver } from "../harness/terminal.ts";

describe("NOTIFY_SOCKET", () => {
  function notifier(...texts: string[]) {
    return container((config) => {
      config.process.args = ["/probe", ...texts.flatMap((text) => ["notify", text, "+"]), "sleep"];
    });
  }

  it("forwards READY=1 of the program and adds the main pid", async () => {
    const { path, terminal } = await notifySocket();
    const c = notifier("READY=1");
    c.run(["--detach"], { env: { NOTIFY_SOCKET: path } }).ok();
    await terminal.prints(/READY=1/);
    await terminal.prints(new RegExp(`MAINPID=${c.state().pid}\\b`));
    expect(c.outcomes()[0]?.errno).to.equal(null);
    await terminal.close();
  });

  it("gives the program a socket of its own inside the container", async () => {
    const { path, terminal } = await notifySocket();
    const c = notifier("READY=1");
    c.run(["--detach"], { env: { NOTIFY_SOCKET: path } }).ok();
    await c.prints(/"action":"notify"/);
    expect(c.outcomes()[0]?.target)
      .to.match(/^\/run\/notify\//)
      .and.not.equal(path);
    await terminal.close();
  });

  it("start waits until the program says that it is ready", async () => {
    const { path, terminal } = await notifySocket();
    const c = container((config) => {
      config.process.args = ["/probe", "sleep", "0.3", "+", "notify", "READY=1", "+", "sleep"];
    });
    const env = { NOTIFY_SOCKET: path };
    c.create([], { env }).ok();
    c.command("start", [], [], { env }).ok();
    await terminal.prints(/READY=1/);
    await terminal.close();
  });

  it("is not in the environment when the caller has none", async () => {
    const c = container();
    c.run([], { env: { NOTIFY_SOCKET: undefined } }).ok();
    expect((await c.report()).env.join(" ")).to.not.include("NOTIFY_SOCKET");
  });
});

describe("--pidfd-socket", () => {
  it("create sends a pidfd of the init", async function () {
    requires({ command: "create --pidfd-socket" }).call(this);
    const { path, terminal } = await receiver();
    const c = sleeper();
    c.create(["--pidfd-socket", path]).ok();
    const received = await terminal.event<Received>("received");
    expect(received.target).to.equal("anon_inode:[pidfd]");
    expect(received.pid).to.equal(c.state().pid);
    await terminal.close();
  });

  it("exec sends a pidfd of its process", async function () {
    requires({ command: "exec --pidfd-socket" }).call(this);
    const c = sleeper().up();
    const { path, terminal } = await receiver();
    c.exec(["/probe", "sleep"], ["--detach", "--pidfd-socket", path]).ok();
    const received = await terminal.event<Received>("received");
    expect(received.target).to.equal("anon_inode:[pidfd]");
    expect(received.pid).to.be.greaterThan(1);
    expect(received.pid).to.not.equal(c.state().pid);
    await terminal.close();
  });
});
