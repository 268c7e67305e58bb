/** Events against a real ttrpc server on a socket: one that goes and comes back, is silent, refuses. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { fail } from "../../runtime/base/errors.ts";
import { libexecDir, type NativeBinding, openAddon } from "../../runtime/native/binding.ts";
import { decodeTaskExit, encodeTaskExit } from "../../schemas/generated/proto/events.ts";
import { decodeForwardRequest, type Envelope } from "../../schemas/generated/proto/forward.ts";
import { type Reactor, startReactor } from "../event-loop/reactor.ts";
import { type Server, serveTtrpc } from "../ttrpc/server.ts";
import { now } from "./clock.ts";
import { type Events, openEvents } from "./queue.ts";

process.env["TSRUNC_LIBEXEC"] ??= `${process.cwd()}/dist/libexec/tsrunc`;

const service = "containerd.services.events.ttrpc.v1.Events";
const empty = new Uint8Array(0);
/** Ten times as fast as in earnest, and more. */
const pace = { answer: 100, pause: 20, longestPause: 50 };

async function until(condition: () => boolean, timeoutMs = 5000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not in ${timeoutMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("events", () => {
  let native: NativeBinding;
  let reactor: Reactor;
  let directory: string;
  let path: string;
  let server: Server | undefined;
  let events: Events;
  const received: Envelope[] = [];
  const namespaces: (string | undefined)[] = [];
  const logged: string[] = [];
  /** What the server does with an event. */
  let answer: (envelope: Envelope) => Promise<Uint8Array>;
  const take = async (envelope: Envelope) => {
    received.push(envelope);
    return empty;
  };
  const log = {
    debug: (text: string) => logged.push(`debug ${text}`),
    info: (text: string) => logged.push(`info ${text}`),
    warn: (text: string) => logged.push(`warn ${text}`),
    error: (text: string) => logged.push(`error ${text}`),
    toStderr: false,
  };

  const serve = () => {
    server = serveTtrpc({ native, reactor, log }, native.listenStream(path), {
      [service]: {
        Forward: (payload, { metadata }) => {
          namespaces.push(metadata.get("containerd-namespace-ttrpc"));
          const { envelope } = decodeForwardRequest(payload.slice());
          if (envelope === null) throw fail("InvalidArgument", "no envelope");
          return answer(envelope);
        },
      },
    });
  };
  const stop = () => {
    server?.close();
    server = undefined;
    rmSync(path, { force: true });
  };
  const publish = (id: string, topic = "/tasks/exit") => {
    const exitedAt = { seconds: 5 };
    const exit = encodeTaskExit({ containerId: id, id, pid: 7, exitStatus: 3, exitedAt });
    events.publish(topic, "containerd.events.TaskExit", exit);
  };
  const ids = () => received.map(({ event }) => decodeTaskExit(event?.value ?? empty).id);
  const range = (length: number) => Array.from({ length }, (_, at) => String(at));

  before(function () {
    if (!existsSync(`${libexecDir()}/tsrunc.node`)) this.skip();
    native = openAddon();
    reactor = startReactor(native);
    directory = mkdtempSync(join(tmpdir(), "shim-events-"));
    path = join(directory, "containerd.sock.ttrpc");
  });

  beforeEach(() => {
    received.length = 0;
    namespaces.length = 0;
    logged.length = 0;
    answer = take;
    events = openEvents({ native, reactor, log }, `unix://${path}`, "k8s.io", pace);
  });

  afterEach(async () => {
    await events.drain(0);
    stop();
  });

  after(() => {
    reactor?.stop();
    if (directory !== undefined) rmSync(directory, { recursive: true });
  });

  it("sends an envelope as containerd wants it", async () => {
    serve();
    const before = Date.now();
    publish("c1");
    await events.drain(1000);
    expect(received).to.have.length(1);
    const { timestamp, namespace, topic, event } = received[0] as Envelope;
    expect({ namespace, topic, type: event?.typeUrl }).to.deep.equal({
      namespace: "k8s.io",
      topic: "/tasks/exit",
      type: "containerd.events.TaskExit",
    });
    const at = (timestamp?.seconds ?? 0) * 1000 + (timestamp?.nanos ?? 0) / 1e6;
    expect(at).to.be.within(before - 3, Date.now() + 3);
    expect(decodeTaskExit(event?.value ?? empty)).to.deep.include({ containerId: "c1", pid: 7 });
    expect(namespaces).to.deep.equal(["k8s.io"]);
    expect(logged).to.deep.equal([]);
  });

  it("takes an address without a scheme", async () => {
    serve();
    events = openEvents({ native, reactor, log }, path, "default", pace);
    publish("c1");
    await events.drain(1000);
    expect(ids()).to.deep.equal(["c1"]);
  });

  it("keeps the order, one at a time", async () => {
    let atOnce = 0;
    let most = 0;
    answer = async (envelope) => {
      most = Math.max(most, ++atOnce);
      await pause(Math.random() * 4);
      atOnce--;
      return take(envelope);
    };
    serve();
    for (const id of range(50)) publish(id);
    await events.drain(3000);
    expect(ids()).to.deep.equal(range(50));
    expect(most).to.equal(1);
  });

  it("waits for a daemon that is not there yet", async () => {
    publish("a", "/tasks/start");
    publish("b");
    await pause(120);
    expect(logged.join("\n")).to.match(/^warn forward event \/tasks\/start: .*ENOENT/);
    serve();
    await until(() => received.length === 2);
    expect(ids()).to.deep.equal(["a", "b"]);
    await until(() => logged.length === 2);
    expect(logged[1]).to.match(/^info events are sent again/);
  });

  it("loses nothing when the daemon dies and comes back", async () => {
    serve();
    let count = 0;
    answer = async (envelope) => {
      // dies with this event under way
      if (++count === 3) {
        stop();
        setTimeout(serve, 150);
        return new Promise(() => undefined);
      }
      return take(envelope);
    };
    for (const id of range(6)) publish(id);
    await until(() => received.length === 6);
    expect(ids()).to.deep.equal(range(6));
  });

  it("notices a restart while it had nothing to say", async () => {
    serve();
    publish("a");
    await until(() => received.length === 1);
    stop();
    await pause(20);
    serve();
    publish("b");
    await until(() => received.length === 2);
    expect(logged).to.deep.equal([]);
  });

  it("gives a silent daemon time, and forgets what is no exit first", async () => {
    let silent = true;
    const offered: string[] = [];
    answer = (envelope) => {
      offered.push(envelope.topic);
      return silent ? new Promise(() => undefined) : take(envelope);
    };
    serve();
    publish("start", "/tasks/start");
    publish("exit");
    await until(() => offered.filter((topic) => topic === "/tasks/exit").length > 6, 10_000);
    expect(offered.slice(0, 6)).to.deep.equal([
      ...Array<string>(5).fill("/tasks/start"),
      "/tasks/exit",
    ]);
    silent = false;
    await until(() => received.length === 1);
    expect(ids()).to.deep.equal(["exit"]);
    expect(logged.filter((line) => line.startsWith("error"))).to.have.length(1);
  }).timeout(15_000);

  it("drops what is invalid at once and what is refused after five attempts", async () => {
    const offered: string[] = [];
    answer = async (envelope) => {
      const { id } = decodeTaskExit(envelope.event?.value ?? empty);
      offered.push(id);
      if (id === "invalid") throw fail("InvalidArgument", "namespace is not valid");
      if (id === "refused") throw fail("Internal", "no");
      return take(envelope);
    };
    serve();
    for (const id of ["invalid", "refused", "fine"]) publish(id);
    await until(() => received.length === 1);
    expect(offered).to.deep.equal(["invalid", ...Array<string>(5).fill("refused"), "fine"]);
    expect(logged.filter((line) => line.startsWith("error event dropped"))).to.have.length(2);
  });

  it("keeps the exits when too many events wait", async () => {
    publish("first", "/tasks/start");
    await pause(5); // is under way now
    for (let at = 0; at < 1000; at++) {
      publish(`start${at}`, "/tasks/start");
      publish(`exit${at}`);
    }
    for (let at = 0; at < 600; at++) publish(`late${at}`);
    serve();
    await until(() => received.length === 2048, 10_000);
    const arrived = ids();
    expect(arrived[0]).to.equal("first");
    expect(arrived.filter((id) => id.startsWith("exit"))).to.have.length(1000);
    expect(arrived.filter((id) => id.startsWith("late"))).to.have.length(600);
    const starts = arrived.filter((id) => id.startsWith("start"));
    expect([starts.length, starts[0]]).to.deep.equal([447, "start553"]);
    expect(logged.filter((line) => line.includes("/tasks/start dropped"))).to.have.length(553);
  }).timeout(15_000);

  it("drains within its time and says what is lost", async () => {
    publish("a");
    await pause(10);
    const before = Date.now();
    await events.drain(80);
    expect(Date.now() - before).to.be.within(70, 400);
    expect(logged.at(-1)).to.equal("error 1 events could not be sent");
    publish("b");
    expect(logged.at(-1)).to.match(/comes too late/);
  });

  it("tries once more at once when it is drained", async () => {
    const slow = { answer: 1000, pause: 60_000, longestPause: 60_000 };
    events = openEvents({ native, reactor, log }, path, "default", slow);
    publish("a");
    await pause(20);
    serve();
    await events.drain(1000);
    expect(ids()).to.deep.equal(["a"]);
  });

  it("has a clock finer than milliseconds that agrees with Date", async () => {
    let fine = 0;
    for (let at = 0; at < 50; at++) {
      const earlier = Date.now();
      const { seconds, nanos = 0 } = now();
      expect(nanos).to.be.within(0, 999_999_999);
      expect(Number(seconds) * 1000 + nanos / 1e6).to.be.within(earlier, Date.now() + 1);
      if (nanos % 1_000_000 !== 0) fine++;
      await pause(1);
    }
    expect(fine).to.be.greaterThan(10);
  });
});
