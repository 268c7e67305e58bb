/** The parent's side against real processes and sockets; what init would say is written into the socket beforehand. */
import { closeSync, existsSync, readdirSync } from "node:fs";
import { expect } from "chai";
import type { Op } from "../../schemas/generated/plan.ts";
import { syncPoint } from "../plan/plan.ts";
import { messageType } from "./init-message.ts";
import { converse, type InitProcess, type Session, type SessionHandlers } from "./init-session.ts";
import { hasAddon, type TestRuntime, testRuntime } from "./test-runtime.ts";

const SIGKILL = 9;
const ENOENT = 2;
const ops: readonly Op[] = [{ op: "hostname", name: "box" }];

interface Script {
  readonly session: Session;
  /** What init says next. */
  say(type: number, value?: number, text?: string, error?: number): void;
  hangUp(): void;
  /** One more process, as a plan that forks has. */
  second(): number;
}

describe("the conversation with init", () => {
  let rt: TestRuntime;
  let fdsBefore: number;
  const pids: number[] = [];

  before(function () {
    if (!hasAddon()) this.skip();
    testRuntime().native();
  });
  beforeEach(() => {
    rt = testRuntime();
    fdsBefore = openFds();
  });
  afterEach(() => {
    expect(openFds(), "fds left open").to.equal(fdsBefore);
    for (const pid of pids.splice(0)) {
      expect(existsSync(`/proc/${pid}`), `process ${pid} is left, or not reaped`).to.equal(false);
    }
    rt.remove();
  });

  const openFds = () => readdirSync("/proc/self/fd").length;

  function sleeper(): InitProcess {
    const child = rt.native().spawn({
      ...{ file: "/bin/sleep", argv: ["sleep", "60"], env: [], stdio: [-1, -1, -1] },
      ...{ keepFds: [], cloneFlags: 0, cgroupFd: -1 },
    });
    pids.push(child.pid);
    return child;
  }

  function script(forks: boolean): Script {
    const native = rt.native();
    const [ours, theirs] = native.socketPair();
    const plan = { ops, cloneFlags: 0, forks, slots: [] };
    return {
      session: { plan, fd: ours, first: sleeper() },
      say: (type, value = 0, text = "", error = 0) => {
        const words = new TextEncoder().encode(text);
        const data = new Uint8Array(16 + words.length);
        const view = new DataView(data.buffer);
        view.setUint32(0, type, true);
        view.setInt32(8, error, true);
        view.setUint32(12, value, true);
        data.set(words, 16);
        native.send(theirs, data, []);
      },
      hangUp: () => closeSync(theirs),
      second: () => {
        const { pid, pidfd } = sleeper();
        closeSync(pidfd);
        return pid;
      },
    };
  }

  async function problemOf(
    { session }: Script,
    handlers: Partial<SessionHandlers> = {},
  ): Promise<string> {
    try {
      await converse(rt, session, { ready: async () => -1, ...handlers }, true);
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  }

  it("gives the process to the caller when init is ready", async () => {
    const init = script(false);
    init.say(messageType.sync, syncPoint.ready);
    const process = await converse(rt, init.session, { ready: async () => -1 }, false);
    expect(process).to.deep.equal(init.session.first);
    init.hangUp();
    rt.native().signalPidfd(process.pidfd, SIGKILL);
    rt.native().waitPid(process.pid, false);
    closeSync(process.pidfd);
  });

  it("ends a process whose operation failed, and says which", async () => {
    const init = script(false);
    init.say(messageType.error, 0, "sethostname\0", ENOENT);
    expect(await problemOf(init)).to.match(/set hostname box: sethostname: ENOENT/);
    init.hangUp();
  });

  it("ends a process when a handler throws", async () => {
    const init = script(false);
    init.say(messageType.sync, syncPoint.ready);
    const ready = async () => {
      throw new Error("no space for the pid file");
    };
    expect(await problemOf(init, { ready })).to.equal("no space for the pid file");
    init.hangUp();
  });

  it("waits for the report of the fork when an error overtakes it, so that both are reaped", async () => {
    const init = script(true);
    const second = init.second();
    rt.native().signalPidfd(init.session.first.pidfd, SIGKILL);
    init.say(messageType.error, 0, "mount\0", ENOENT);
    init.say(messageType.forked, second);
    expect(await problemOf(init)).to.match(/mount: ENOENT/);
    init.hangUp();
  });

  it("takes the error of a plan that never forked", async () => {
    const init = script(true);
    init.say(messageType.error, 0, "setns\0", ENOENT);
    init.hangUp();
    expect(await problemOf(init)).to.match(/setns: ENOENT/);
  });

  it("says how a process ended that said nothing", async () => {
    const init = script(false);
    rt.native().signalPidfd(init.session.first.pidfd, SIGKILL);
    init.hangUp();
    expect(await problemOf(init)).to.equal(
      "container init ended before it was ready: exit status 137",
    );
  });

  it("ends a process that speaks another language", async () => {
    const init = script(false);
    init.say(99);
    expect(await problemOf(init)).to.equal("init sent an unknown message 99");
    init.hangUp();
  });
});
