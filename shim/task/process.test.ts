import { expect } from "chai";
import { RuntimeError } from "../../runtime/base/errors.ts";
import type { NativeBinding } from "../../runtime/native/binding.ts";
import { TaskProcess } from "./process.ts";

const noStdio = { stdin: "", stdout: "", stderr: "", terminal: false };
const at = new Date("2026-11-21T04:05:06Z");
/** No signal is to come so far. */
const unused = {} as NativeBinding;

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof RuntimeError) return error.code;
  }
  return "none";
}

describe("TaskProcess", () => {
  it("can be waited for before its start, by many, and after its end", async () => {
    const task = new TaskProcess("x", noStdio);
    const waits = [task.wait(), task.wait()];
    task.beginStart();
    task.started();
    waits.push(task.wait());
    task.stopped({ status: 137, at });
    waits.push(task.wait(), task.wait());
    for (const exit of await Promise.all(waits)) expect(exit).to.deep.equal({ status: 137, at });
    expect(task.status).to.equal("stopped");
  });

  it("ends a wait whose caller is gone and keeps the others", async () => {
    const task = new TaskProcess("x", noStdio);
    const caller = new AbortController();
    const gone = task.wait(caller.signal).catch((error: RuntimeError) => error.code);
    const stays = task.wait();
    caller.abort();
    expect(await gone).to.equal("Aborted");
    task.stopped({ status: 0, at });
    expect((await stays).status).to.equal(0);
  });

  it("lets nobody wait for an exec that could not be started", async () => {
    const task = new TaskProcess("x", noStdio);
    const wait = task.wait();
    task.beginStart();
    task.startFailed();
    expect(await wait).to.deep.equal({ status: 255, at: undefined });
    expect(await task.wait()).to.deep.equal({ status: 255, at: undefined });
    expect(codeOf(() => task.beginStart())).to.equal("Unknown");
    expect(task.isActive).to.equal(false);
  });

  it("stays stopped when it has ended before its start was noticed", () => {
    const task = new TaskProcess("x", noStdio);
    task.beginStart();
    task.stopped({ status: 0, at });
    task.started();
    expect(task.status).to.equal("stopped");
  });

  it("is started once; init may be tried again", () => {
    const task = new TaskProcess("x", noStdio);
    task.beginStart();
    expect(() => task.beginStart()).to.throw("cannot start a starting process");
    task.startRefused();
    task.beginStart();
    task.started();
    expect(() => task.beginStart()).to.throw("cannot start a running process");
    task.stopped({ status: 0, at });
    expect(() => task.beginStart()).to.throw("cannot start a stopped process");
  });

  it("tells those who kill whether there is no process yet or no longer", () => {
    const task = new TaskProcess("x", noStdio);
    expect(codeOf(() => task.signal(unused, 15))).to.equal("FailedPrecondition");
    task.beginStart();
    expect(codeOf(() => task.signal(unused, 15))).to.equal("FailedPrecondition");
    task.stopped({ status: 1, at });
    expect(codeOf(() => task.signal(unused, 15))).to.equal("NotFound");
    expect(codeOf(() => task.resize(80, 25))).to.equal("NotFound");
  });
});
