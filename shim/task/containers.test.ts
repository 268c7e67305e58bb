import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from "node:fs";
import { expect } from "chai";
import { RuntimeError } from "../../runtime/base/errors.ts";
import { parseProcess } from "../../runtime/spec/load.ts";
import type { Container } from "./container.ts";
import { problem, sleep, startHost, type TestHost, until } from "./test-host.ts";

const SIGTERM = 15;
const SIGKILL = 9;
const noStdio = { stdin: "", stdout: "", stderr: "", terminal: false };
const forever = "trap exit TERM; while :; do sleep 0.05; done";

function program(script: string): ReturnType<typeof parseProcess> {
  const env = ["PATH=/bin"];
  return parseProcess(
    JSON.stringify({ cwd: "/", args: ["sh", "-c", script], env, user: { uid: 0, gid: 0 } }),
  );
}

async function refused(work: Promise<unknown>): Promise<RuntimeError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof RuntimeError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

describe("containers of the shim", function () {
  this.timeout(20_000);
  let test: TestHost;
  let number = 0;

  before(function () {
    const reason = problem();
    if (reason === undefined) return;
    if (this.test !== undefined) this.test.title += ` (skipped: ${reason})`;
    this.skip();
  });

  beforeEach(() => {
    test = startHost();
  });

  afterEach(async () => {
    await test.end();
    expect(test.logged.filter((line) => line.startsWith("error"))).to.deep.equal([]);
  });

  const create = (script: string, change?: Parameters<TestHost["request"]>[2]) =>
    test.containers.create(test.request(`c${++number}`, script, change));

  async function end(container: Container): Promise<void> {
    if (container.init.exit === undefined) await container.kill("", SIGKILL, true);
    await container.init.wait();
    await test.containers.delete(container.id, "");
  }

  it("goes from create to delete, with every event once and in order", async () => {
    const container = await create("exit 7");
    const { id, init } = container;
    expect(init.pid).to.be.above(0);
    expect(readFileSync(`${container.bundle}/init.pid`, "utf8")).to.equal(String(init.pid));
    expect(container.statusOf(init)).to.equal("created");
    const wait = init.wait();
    expect(await container.start()).to.equal(init.pid);
    expect((await wait).status).to.equal(7);
    expect(container.statusOf(init)).to.equal("stopped");
    expect(container.cgroups().exists(), "metrics after the end").to.equal(true);
    const { result } = await test.containers.delete(id, "");
    expect(result.status).to.equal(7);
    expect(test.events).to.deep.equal(["create", "start", `exit ${id} 7`, "delete"]);
    expect((await refused(test.containers.delete(id, ""))).code).to.equal("NotFound");
    expect(() => test.containers.get(id)).to.throw("container not created");
    expect(test.containers.size).to.equal(0);
    expect(test.gone).to.equal(1);
    expect(existsSync(`${test.directory}/state/tests/${id}`)).to.equal(false);
  });

  it("tells of execs before init, whose end is theirs", async () => {
    const container = await create(forever);
    const { id } = container;
    await container.start();
    const ids = ["e1", "e2", "e3"];
    for (const execId of ids) container.addExec(execId, program("sleep 100"), noStdio);
    expect(() => container.addExec("e1", program("true"), noStdio)).to.throw("id e1");
    const pids = await Promise.all(ids.map((execId) => container.startExec(execId)));
    const listed = container.pids();
    for (const [index, pid] of pids.entries()) {
      expect(listed.find((entry) => entry.pid === pid)?.execId).to.equal(ids[index]);
    }
    expect(listed.find(({ pid }) => pid === container.init.pid)?.execId).to.equal(undefined);
    await container.kill("e1", SIGKILL, false);
    expect((await container.process("e1").wait()).status).to.equal(137);
    const again = await refused(container.kill("e1", SIGKILL, false));
    expect([again.code, again.message]).to.deep.equal(["NotFound", "process already finished"]);
    await container.kill("", SIGKILL, false);
    expect((await container.init.wait()).status).to.equal(137);
    const exits = test.events.filter((event) => event.startsWith("exit"));
    expect(exits.at(-1)).to.equal(`exit ${id} 137`);
    expect([...exits].sort()).to.deep.equal(
      [`exit ${id} 137`, "exit e1 137", "exit e2 137", "exit e3 137"].sort(),
    );
    await container.deleteExec("e2");
    expect((await refused(container.deleteExec("e2"))).message).to.equal(
      "process does not exist e2",
    );
    await end(container);
  });

  it("keeps an exec that cannot be started as created, and lets nobody wait for it", async () => {
    const container = await create(forever);
    await container.start();
    container.addExec("bad", { ...program("true"), args: ["nothing-there"] }, noStdio);
    const task = container.process("bad");
    const wait = task.wait();
    const error = await refused(container.startExec("bad"));
    expect(error.code).to.equal("Unknown");
    expect(error.message).to.match(
      /^OCI runtime exec failed: .*executable file not found in \$PATH/,
    );
    expect((await wait).status).to.equal(255);
    expect(container.statusOf(task)).to.equal("created");
    await test.containers.delete(container.id, "bad");
    expect(test.events).to.deep.equal(["create", "start", "exec-added"]);
    await end(container);
  });

  it("refuses a program that is not there at create, and leaves nothing", async () => {
    const request = test.request("nobinary", "", (spec) => ({
      ...spec,
      process: { cwd: "/", ...spec.process, args: ["nothing-there"] },
    }));
    const error = await refused(test.containers.create(request));
    expect(error.code).to.equal("Unknown");
    expect(error.message).to.match(
      /^OCI runtime create failed: .*exec: "nothing-there": executable file not found in \$PATH/,
    );
    expect(test.events).to.deep.equal([]);
    expect(test.containers.size).to.equal(0);
    expect(existsSync(`${test.directory}/state/tests/nobinary`)).to.equal(false);
    expect((await refused(test.containers.delete("nobinary", ""))).code).to.equal("NotFound");
  });

  it("refuses an id that is taken, also by a container that is being created", async () => {
    const request = test.request("twice", forever);
    const [first, second] = await Promise.allSettled([
      test.containers.create(request),
      test.containers.create(request),
    ]);
    expect(first.status).to.equal("fulfilled");
    expect(second.status === "rejected" && second.reason.code).to.equal("AlreadyExists");
    const third = await refused(test.containers.create(request));
    expect(third.code).to.equal("AlreadyExists");
    await end(test.containers.get("twice"));
  });

  it("notices that init dies before it is started", async () => {
    const container = await create("true");
    const wait = container.init.wait();
    await container.kill("", SIGKILL, false);
    expect((await wait).status).to.equal(137);
    const error = await refused(container.start());
    expect(error.message).to.equal("cannot start a stopped process");
    await test.containers.delete(container.id, "");
    expect(test.events).to.deep.equal(["create", `exit ${container.id} 137`, "delete"]);
  });

  it("deletes a created container, but no running one", async () => {
    const created = await create(forever);
    await test.containers.delete(created.id, "");
    expect(test.events).to.deep.equal(["create", `exit ${created.id} 137`, "delete"]);
    const running = await create(forever);
    await running.start();
    const error = await refused(test.containers.delete(running.id, ""));
    expect(error.message).to.equal("cannot delete a running process");
    await running.kill("", SIGTERM, false);
    await end(running);
  });

  it("pauses and resumes; execs wait for neither nor start in between", async () => {
    const container = await create(forever);
    await container.start();
    container.addExec("early", program("exit 3"), noStdio);
    await container.pause();
    expect(container.statusOf(container.init)).to.equal("paused");
    expect(() => container.addExec("e", program("true"), noStdio)).to.throw("paused");
    expect((await refused(container.startExec("early"))).message).to.contain("paused");
    await container.resume();
    expect(container.statusOf(container.init)).to.equal("running");
    await container.startExec("early");
    expect((await container.process("early").wait()).status).to.equal(3);
    expect(test.events.filter((event) => /paused|resumed/.test(event))).to.deep.equal([
      "paused",
      "resumed",
    ]);
    await container.pause();
    await container.kill("", SIGKILL, false);
    expect((await container.init.wait()).status, "killed while paused").to.equal(137);
    expect(container.statusOf(container.init)).to.equal("stopped");
    await end(container);
  });

  it("answers for others while a hook sleeps, and takes a kill for a container that is being made", async () => {
    const hook = { path: "/bin/sleep", args: ["sleep", "2"] };
    const other = await create(forever);
    await other.start();
    const request = test.request("slow", forever, (spec) => ({
      ...spec,
      hooks: { createRuntime: [hook] },
    }));
    const creating = test.containers.create(request).then(
      () => "created",
      () => "refused",
    );
    await sleep(300);
    const before = performance.now();
    expect(other.statusOf(other.init)).to.equal("running");
    expect(() => test.containers.get("slow")).to.throw("container not created");
    await test.containers.kill("slow", "", SIGKILL, false);
    expect(performance.now() - before).to.be.below(50);
    const gone = refused(test.containers.delete("slow", ""));
    expect(await creating).to.equal("refused");
    expect((await gone).code).to.equal("NotFound");
    expect(test.events).to.deep.equal(["create", "start"]);
    await end(other);
  });

  it("tells of the start, then of the exit, when a poststart hook outlives the program", async () => {
    const container = await create("exit 4", (spec) => ({
      ...spec,
      hooks: { poststart: [{ path: "/bin/sleep", args: ["sleep", "0.4"] }] },
    }));
    const starting = container.start();
    await sleep(200);
    expect(container.statusOf(container.init)).to.equal("created");
    expect(() => container.addExec("late", program("true"), noStdio)).to.throw("stopped state");
    expect(await starting).to.equal(container.init.pid);
    expect((await container.init.wait()).status).to.equal(4);
    expect(test.events).to.deep.equal(["create", "start", `exit ${container.id} 4`]);
  });

  it("connects execs to fifos and gives terminals of the right size", async () => {
    const container = await create(forever);
    await container.start();
    const { stdin, stdout } = test.fifos;
    const reader = openSync(stdout, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openSync(stdin, constants.O_RDWR);
    container.addExec("io", program("cat; exit 5"), { ...noStdio, stdin, stdout });
    await container.startExec("io");
    writeSync(writer, "to and fro\n");
    closeSync(writer);
    container.process("io").io?.closeStdin();
    expect((await container.process("io").wait()).status).to.equal(5);
    await test.containers.delete(container.id, "io");
    const data = new Uint8Array(100);
    expect(Buffer.from(data.subarray(0, readSync(reader, data))).toString()).to.equal(
      "to and fro\n",
    );
    const terminal = { ...program("sleep 0.2; stty size"), terminal: true };
    container.addExec("tty", terminal, { ...noStdio, stdout, terminal: true });
    await container.startExec("tty");
    container.process("tty").resize(80, 25);
    expect((await container.process("tty").wait()).status).to.equal(0);
    await test.containers.delete(container.id, "tty");
    expect(Buffer.from(data.subarray(0, readSync(reader, data))).toString()).to.equal("25 80\r\n");
    closeSync(reader);
  });

  it("kills what shares the host's pid namespace with init", async () => {
    const container = await create("sleep 1000 & exit 0", (spec) => ({
      ...spec,
      linux: {
        ...spec.linux,
        namespaces: spec.linux?.namespaces?.filter(({ type }) => type !== "pid") ?? [],
      },
    }));
    await container.start();
    expect((await container.init.wait()).status).to.equal(0);
    await until("all are gone", () => container.cgroups().pids().length === 0);
    await end(container);
  });

  it("keeps order and count when many short processes come and go at once", async () => {
    const container = await create(forever);
    await container.start();
    const ids = Array.from({ length: 40 }, (_, index) => `x${index}`);
    await Promise.all(
      ids.map(async (execId, index) => {
        container.addExec(execId, program(`exit ${index}`), noStdio);
        const wait = container.process(execId).wait();
        await container.startExec(execId);
        expect((await wait).status).to.equal(index);
        await container.deleteExec(execId);
      }),
    );
    for (const [index, execId] of ids.entries()) {
      expect(test.events.filter((event) => event === `exit ${execId} ${index}`)).to.have.length(1);
    }
    expect(() => container.process("x0")).to.throw("process does not exist x0");
    await end(container);
  });
});
