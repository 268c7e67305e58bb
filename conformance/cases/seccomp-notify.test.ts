/** SCMP_ACT_NOTIFY: the listener's descriptor goes to the agent at linux.seccomp.listenerPath. */
import { rmSync } from "node:fs";
import { expect } from "chai";
import { container, sleeper } from "../harness/container.ts";
import { traces } from "../harness/leaks.ts";
import { requires } from "../harness/requires.ts";
import { type Received, receiver } from "../harness/terminal.ts";

/** A call that no runtime makes itself. */
const rule = { names: ["munlockall"], action: "SCMP_ACT_NOTIFY" };

function notify(listenerPath: string): Record<string, unknown> {
  return {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [rule],
    listenerPath,
    listenerMetadata: "for the agent",
  };
}

describe("seccomp notify", () => {
  before(requires({ seccomp: true, kernel: "5.6" }));

  it("sends the descriptor with the container process state", async () => {
    const { path, terminal } = await receiver();
    const c = container((config) => {
      config.process.args = ["/probe", "syscall", "munlockall"];
      config.linux["seccomp"] = notify(path);
      config.annotations = { "org.example.agent": "yes" };
    });
    const launched = c.launchRun();
    const received = await terminal.event<Received>("received");
    expect(received.target).to.match(/seccomp notify/);
    const state = JSON.parse(received.name);
    expect(state.fds).to.deep.equal(["seccompFd"]);
    expect(state.metadata).to.equal("for the agent");
    expect(state.pid).to.be.greaterThan(0);
    expect(state.state).to.include({ id: c.id, bundle: c.bundle.path });
    expect(state.state.annotations).to.deep.equal({ "org.example.agent": "yes" });
    // The receiver ends and with it the listener: the kernel then answers for it.
    (await launched.done).ok();
    expect(c.outcomes()[0]?.errno).to.equal("ENOSYS");
  });

  it("exec sends one of its own", async () => {
    const first = await receiver();
    const c = sleeper((config) => {
      config.linux["seccomp"] = notify(first.path);
    }).up();
    await first.terminal.event("closed");
    // The same path: an agent listens there for as long as the container lives.
    rmSync(first.path);
    const again = await receiver(first.path);
    const launched = c.launchExec(["/probe", "syscall", "munlockall"]);
    const received = await again.terminal.event<Received>("received");
    expect(JSON.parse(received.name).state.id).to.equal(c.id);
    expect((await launched.done).ok().stdout).to.include("ENOSYS");
  });

  it("is refused when nobody listens, or without a path", () => {
    for (const path of ["/nonexistent/agent.sock", ""]) {
      const c = container((config) => {
        config.linux["seccomp"] = notify(path);
      });
      c.run().fails();
      expect(traces(c.id)).to.deep.equal([]);
    }
  });
});
