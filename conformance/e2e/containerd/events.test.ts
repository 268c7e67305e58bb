/** The order of events, which clients build their view of containers on. */
import { expect } from "chai";
import { until } from "../../harness/wait.ts";
import { Container } from "./ctr.ts";
import { Events } from "./events.ts";

const shell = (script: string): string[] => ["sh", "-c", script];

/** A time as ctr 1.x shows it, in ISO 8601, or as 2.x does. */
function milliseconds(time: unknown): number {
  if (typeof time === "string") return Date.parse(time);
  return Number((time as { seconds?: number } | undefined)?.seconds) * 1000;
}

describe("events", () => {
  let events: Events;
  beforeEach(async () => {
    events = await Events.open();
  });
  afterEach(() => events.close());

  it("tell a container's life in order, with pid and status", async () => {
    const c = new Container();
    (await c.run(["--rm"], shell("exit 9"))).ended(9);
    await events.next(c.id, "delete");
    expect(events.order(c.id)).to.deep.equal(["create", "start", "exit", "delete"]);
    const [create, start, exit, removed] = events.all(c.id).map(({ body }) => body);
    expect(create?.["bundle"]).to.match(new RegExp(`/${c.id}$`));
    const pid = create?.["pid"];
    expect(pid).to.be.a("number").above(1);
    expect([start?.["pid"], exit?.["pid"], removed?.["pid"]]).to.deep.equal([pid, pid, pid]);
    expect(exit).to.include({ id: c.id, exit_status: 9 });
    expect(removed?.["exit_status"]).to.equal(9);
    expect(Date.now() - milliseconds(exit?.["exited_at"])).to.be.within(-1000, 30_000);
  });

  it("tell an exec's life", async () => {
    const c = await new Container().up();
    (await c.exec(shell("exit 4"), ["--exec-id", "e"])).ended(4);
    await events.next(c.id, "exit e");
    const expected = ["create", "start", "exec-added e", "exec-started e", "exit e"];
    expect(events.order(c.id)).to.deep.equal(expected);
    expect(events.all(c.id).at(-1)?.body).to.include({ id: "e", exit_status: 4 });
  });

  it("tell the exits of execs before the container's, each once", async () => {
    const c = await new Container().up();
    const names = ["a", "b", "c", "d", "e"];
    const running = names.map((name) =>
      c.launchExec(shell("echo up; sleep 1000"), ["--exec-id", name]),
    );
    await until("all execs", () => running.every(({ stdout }) => stdout() === "up\n"));
    await c.kill();
    await Promise.all(running.map(({ done }) => done));
    await c.reaches("STOPPED");
    await c.remove();
    await events.next(c.id, "delete");
    const order = events.order(c.id);
    const exits = order.filter((what) => what.startsWith("exit"));
    expect(exits.at(-1)).to.equal("exit");
    expect(exits.slice(0, -1).toSorted()).to.deep.equal(names.map((name) => `exit ${name}`));
    for (const name of names) {
      expect(order.indexOf(`exec-added ${name}`)).to.be.below(
        order.indexOf(`exec-started ${name}`),
      );
      expect(order.indexOf(`exec-started ${name}`)).to.be.below(order.indexOf(`exit ${name}`));
    }
  });

  it("tell pauses", async () => {
    const c = await new Container().up();
    await c.task("pause");
    await c.task("resume");
    await events.next(c.id, "resumed");
    expect(events.order(c.id)).to.deep.equal(["create", "start", "paused", "resumed"]);
  });

  it("tell no exit of a container that was never made", async () => {
    const c = new Container();
    (await c.run([], ["no-such-program"])).fails(/not found/);
    const after = new Container();
    (await after.run(["--rm"], ["true"])).ok();
    await events.next(after.id, "delete");
    expect(events.order(c.id)).to.not.include("exit");
    expect(events.order(c.id)).to.not.include("create");
  });

  it("tell of processes that end at once, many at a time", async () => {
    const containers = Array.from({ length: 8 }, () => new Container());
    await Promise.all(containers.map((c) => c.run(["--rm"], ["true"])));
    for (const c of containers) {
      await events.next(c.id, "delete");
      expect(events.order(c.id)).to.deep.equal(["create", "start", "exit", "delete"]);
    }
  });
});
