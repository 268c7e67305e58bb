/** A client on the shim's socket that breaks every rule: others are served as if it were not there. */

import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { expect } from "chai";
import { readOrEmpty } from "../../harness/processes.ts";
import { sleep } from "../../harness/wait.ts";
import { Container } from "./ctr.ts";
import { known } from "./subject.ts";
import { frame, frameTypes, message, ShimClient, textIn } from "./wire.ts";

const mebibyte = 1 << 20;

function rssKb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readOrEmpty(`/proc/${pid}/status`))?.[1]);
}

describe("a hostile client on the shim's socket", () => {
  let c: Container;
  let good: ShimClient;
  let bad: ShimClient;
  let shim: number;

  const connectRequest = () =>
    message([
      [1, c.shimAddress().service],
      [2, "Connect"],
      [3, message([[1, c.id]])],
    ]);

  beforeEach(async () => {
    c = await new Container().up();
    shim = await c.shim();
    good = new ShimClient(c.shimAddress(), c.namespace);
    bad = new ShimClient(c.shimAddress(), c.namespace);
  });

  /** The shim is the same, and serves the old connection, a new one, and containerd. */
  afterEach(async () => {
    const reply = await good.call("State", [[1, c.id]]);
    expect(reply?.code).to.equal(0);
    const late = new ShimClient(c.shimAddress(), c.namespace);
    expect((await late.call("Connect", [[1, c.id]]))?.code).to.equal(0);
    expect(await c.shim()).to.equal(shim);
    (await c.exec(["true"])).ok();
    for (const client of [good, bad, late]) client.vanish();
  });

  it("cannot be anybody else than the owner: the socket is private", () => {
    const { mode, uid } = statSync(c.shimAddress().path);
    expect((mode & 0o777).toString(8)).to.equal("600");
    expect(uid).to.equal(0);
  });

  it("asks for what is not there", async () => {
    expect((await bad.call("NoSuchMethod", []))?.code).to.equal(12);
    expect((await bad.call("State", [], { service: "no.such.Service" }))?.code).to.equal(12);
    expect((await bad.call("State", [[1, "no-such-container"]]))?.code).to.equal(5);
    const reply = await bad.call("State", [
      [1, c.id],
      [2, "no-such-exec"],
    ]);
    expect(reply?.code).to.equal(5);
    for (const method of ["Delete", "Kill", "Start", "Pause", "Wait", "Stats", "Pids", "Exec"])
      expect((await bad.call(method, [[1, "no-such-container"]]))?.code, method).to.equal(5);
  });

  it("sends a payload that is not protobuf", async () => {
    const garbage = message([
      [1, c.shimAddress().service],
      [2, "State"],
      [3, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])],
    ]);
    const reply = await bad.exchange(1, frame(1, frameTypes.request, garbage));
    expect(reply === undefined || reply.code !== 0).to.equal(true);
  });

  it("sends a request that is not protobuf", async () => {
    const reply = bad.exchange(1, frame(1, frameTypes.request, randomBytes(100)));
    expect(
      await Promise.race([reply.then((r) => r === undefined || r.code !== 0), sleep(1000)]),
    ).to.not.equal(false);
  });

  it("sends more than 4 MiB", async () => {
    const before = rssKb(shim);
    const reply = bad.exchange(1, frame(1, frameTypes.request, Buffer.alloc(5 * mebibyte)));
    const seen = await Promise.race([reply, sleep(3000)]);
    if (seen) expect(seen.code).to.equal(8);
    expect(rssKb(shim)).to.be.below(before + 16 * 1024);
  });

  it("announces 4 GiB and sends little", async () => {
    const before = rssKb(shim);
    bad.send(frame(1, frameTypes.request, Buffer.alloc(1000), 0, 0xffff_ffff));
    await sleep(200);
    expect(rssKb(shim)).to.be.below(before + 8 * 1024);
    bad.vanish();
  });

  it("sends noise", async () => {
    for (let i = 0; i < 20; i++) {
      const client = new ShimClient(c.shimAddress(), c.namespace);
      client.send(randomBytes(5000));
      await sleep(5);
      client.vanish();
    }
  });

  it("stops in the middle of a header, and of a frame", async () => {
    const whole = frame(1, frameTypes.request, message([[1, c.shimAddress().service]]));
    for (const length of [1, 9, 10, 12]) {
      const client = new ShimClient(c.shimAddress(), c.namespace);
      client.send(whole.subarray(0, length));
      await sleep(10);
      client.vanish();
    }
  });

  it("uses even stream ids, and types that do not exist", async () => {
    const request = connectRequest();
    expect((await bad.exchange(2, frame(2, frameTypes.request, request)))?.code).to.equal(3);
    bad.send(frame(7, 99, Buffer.from("?")));
    bad.send(frame(9, frameTypes.data, Buffer.from("?")));
    expect((await bad.exchange(11, frame(11, frameTypes.request, request)))?.code).to.equal(0);
  });

  it(
    "uses stream ids that are behind",
    known({ shim: "runc", below: "2" }, "its ttrpc 1.1 takes stream ids in any order", async () => {
      const request = connectRequest();
      expect((await bad.exchange(5, frame(5, frameTypes.request, request)))?.code).to.equal(0);
      expect((await bad.exchange(3, frame(3, frameTypes.request, request)))?.code).to.equal(3);
    }),
  );

  it("vanishes while its calls wait", async () => {
    for (let i = 0; i < 50; i++) {
      const client = new ShimClient(c.shimAddress(), c.namespace);
      void client.call("Wait", [[1, c.id]]);
      void client.call("Stats", [[1, c.id]]);
      await sleep(2);
      client.vanish();
    }
  });

  it("asks and never reads", async () => {
    const request = message([
      [1, c.shimAddress().service],
      [2, "Stats"],
      [3, message([[1, c.id]])],
    ]);
    const client = new ShimClient(c.shimAddress(), c.namespace, { reads: false });
    for (let stream = 1; stream < 4000; stream += 2)
      client.send(frame(stream, frameTypes.request, request));
    await sleep(500);
    const reply = await Promise.race([good.call("State", [[1, c.id]]), sleep(10_000)]);
    expect(reply && textIn(reply.payload, 1)).to.equal(c.id);
    client.vanish();
  });

  it("opens many connections", async () => {
    const clients = Array.from({ length: 200 }, () => new ShimClient(c.shimAddress(), c.namespace));
    await sleep(100);
    for (const client of clients) client.vanish();
  });
});

describe("the shim while a hook sleeps", () => {
  it(
    "answers State within 50 ms, of another container and of the same",
    known(
      { shim: "runc" },
      "Create holds the lock that State takes: containerd#13483",
      async () => {
        const name = `io.containerd.runc.v2.group`;
        const group = new Container().id;
        const other = await new Container().up(["--annotation", `${name}=${group}`]);
        const slow = new Container();
        const starting = slow.runWithConfig(["--detach"], (config) => {
          config.annotations = { [name]: group };
          config.hooks = { createRuntime: [{ path: "/bin/sleep", args: ["sleep", "1.5"] }] };
        });
        const client = new ShimClient(other.shimAddress(), other.namespace);
        const ended = starting.then(() => true);
        const took: number[] = [];
        while (!(await Promise.race([ended, sleep(20)]))) {
          for (const id of [other.id, slow.id]) {
            const begun = performance.now();
            const reply = await client.call("State", [[1, id]]);
            took.push(performance.now() - begun);
            if (id === other.id) expect(reply?.code).to.equal(0);
          }
        }
        client.vanish();
        (await starting).ok();
        expect(took.length).to.be.above(20);
        // Without the slowest, which may have met other work of the machine.
        expect(took.toSorted((a, b) => b - a)[Math.floor(took.length / 20)]).to.be.below(50);
        expect(await slow.status()).to.equal("RUNNING");
      },
    ),
  );
});
