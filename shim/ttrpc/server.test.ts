/** Server and client over real sockets, and the server against frames that no client of ours would send. */
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { fail, RuntimeError } from "../../runtime/base/errors.ts";
import { libexecDir, type NativeBinding, openAddon } from "../../runtime/native/binding.ts";
import { decodeResponse, encodeRequest } from "../../schemas/generated/proto/ttrpc.ts";
import { type Reactor, startReactor } from "../event-loop/reactor.ts";
import { type Client, connectTtrpc } from "./client.ts";
import { headerLength, maximumLength, putHeader } from "./frame.ts";
import { type Call, type Server, type Services, serveTtrpc } from "./server.ts";

process.env["TSRUNC_LIBEXEC"] ??= `${process.cwd()}/dist/libexec/tsrunc`;

const service = "containerd.task.v2.Task";
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const untext = (value: Uint8Array): string => new TextDecoder().decode(value);

function frameOf(streamId: number, type: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(headerLength + data.length);
  frame.set(data, headerLength);
  putHeader(frame, streamId, type, 0);
  return frame;
}

function requestFrame(
  streamId: number,
  method: string,
  payload: Uint8Array = new Uint8Array(),
): Uint8Array {
  return frameOf(streamId, 1, encodeRequest({ service, method, payload }));
}

interface Answer {
  readonly streamId: number;
  readonly code: number;
  readonly text: string;
}

/** A peer that sends any bytes; resolves with the next `count` responses, or what came before the end. */
class RawPeer {
  readonly socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.on("error", () => {});
    this.socket.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
    this.socket.on("close", () => {
      this.#ended = true;
    });
  }

  send(...frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  get ended(): boolean {
    return this.#ended;
  }

  async answers(count: number): Promise<Answer[]> {
    await until(() => this.#ended || this.#split().length >= count);
    return this.#split();
  }

  #split(): Answer[] {
    const found: Answer[] = [];
    for (let at = 0; at + headerLength <= this.#received.length; ) {
      const length = this.#received.readUInt32BE(at);
      const end = at + headerLength + length;
      if (end > this.#received.length) break;
      const { status, payload } = decodeResponse(this.#received.subarray(at + headerLength, end));
      found.push({
        streamId: this.#received.readUInt32BE(at + 4),
        code: status?.code ?? 0,
        text: status?.message ?? untext(payload),
      });
      at = end;
    }
    return found;
  }
}

async function until(condition: () => boolean, timeoutMs = 5000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not in ${timeoutMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe("ttrpc", () => {
  let directory: string;
  let path: string;
  let native: NativeBinding;
  let reactor: Reactor;
  let server: Server;
  const clients: Client[] = [];
  const peers: RawPeer[] = [];
  const logged: string[] = [];
  /** What the methods saw. */
  let lastCall: Call | undefined;
  let release: () => void = () => {};

  const methods: Services[string] = {
    Echo: (payload, call) => {
      lastCall = call;
      return Promise.resolve(payload);
    },
    Empty: () => Promise.resolve(new Uint8Array()),
    Wait: (_payload, call) => {
      lastCall = call;
      call.signal.addEventListener("abort", () => logged.push("aborted"));
      return new Promise((resolve) => {
        release = () => resolve(text("released"));
      });
    },
    Fail: () => Promise.reject(fail("NotFound", "container not created")),
    Throw: () => {
      throw new Error("not even a promise");
    },
    Large: (payload) => Promise.resolve(new Uint8Array(Number(untext(payload)))),
  };

  before(function () {
    // the addon has not been built
    if (!existsSync(`${libexecDir()}/tsrunc.node`)) this.skip();
    native = openAddon();
  });

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "ttrpc-"));
    path = join(directory, "s");
    logged.length = 0;
    lastCall = undefined;
    reactor = startReactor(native);
    const log = {
      debug: () => {},
      info: () => {},
      warn: (line: string) => logged.push(line),
      error: (line: string) => logged.push(line),
      toStderr: false,
    };
    server = serveTtrpc({ native, reactor, log }, native.listenStream(path), {
      [service]: methods,
      "containerd.task.v3.Task": methods,
    });
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    for (const peer of peers.splice(0)) peer.socket.destroy();
    server.close();
    await new Promise((resolve) => setTimeout(resolve, 5));
    reactor.stop();
    rmSync(directory, { recursive: true });
  });

  function client(): Client {
    const made = connectTtrpc({ native, reactor }, path);
    clients.push(made);
    return made;
  }

  function rawPeer(): RawPeer {
    const made = new RawPeer(path);
    peers.push(made);
    return made;
  }

  async function failure(promise: Promise<unknown>): Promise<RuntimeError> {
    try {
      await promise;
    } catch (error) {
      if (error instanceof RuntimeError) return error;
      throw error;
    }
    throw new Error("it did not fail");
  }

  it("answers a call with its result", async () => {
    const one = client();
    expect(untext(await one.call(service, "Echo", text("hello")))).to.equal("hello");
    expect(untext(await one.call("containerd.task.v3.Task", "Echo", text("v3")))).to.equal("v3");
    expect(await one.call(service, "Empty", text("x"))).to.have.length(0);
  });

  it("hands over the metadata, names in lower case", async () => {
    const metadata = { "Containerd-Namespace-TTRPC": "k8s.io", traceparent: "00-1" };
    await client().call(service, "Echo", new Uint8Array(), { metadata });
    expect([...(lastCall?.metadata ?? [])]).to.deep.equal([
      ["containerd-namespace-ttrpc", "k8s.io"],
      ["traceparent", "00-1"],
    ]);
  });

  it("passes on class and text of what a method throws", async () => {
    const error = await failure(client().call(service, "Fail", new Uint8Array()));
    expect([error.code, error.message]).to.deep.equal([
      "NotFound",
      "container not created: not found",
    ]);
    const thrown = await failure(client().call(service, "Throw", new Uint8Array()));
    expect([thrown.code, thrown.message]).to.deep.equal(["Unknown", "not even a promise"]);
  });

  it("refuses unknown services and methods in Go's words", async () => {
    const error = await failure(client().call("x.Y", "Create", new Uint8Array()));
    expect([error.code, error.message]).to.deep.equal(["Unimplemented", "service x.Y"]);
    for (const name of ["Nothing", "constructor", "__proto__", "toString"]) {
      const unknown = await failure(client().call(service, name, new Uint8Array()));
      expect([unknown.code, unknown.message]).to.deep.equal(["Unimplemented", `method ${name}`]);
      expect((await failure(client().call(name, name, text("")))).message).to.equal(
        `service ${name}`,
      );
    }
  });

  it("answers later calls while an earlier one waits", async () => {
    const one = client();
    const waiting = one.call(service, "Wait", new Uint8Array());
    for (let count = 0; count < 50; count++) {
      expect(untext(await one.call(service, "Echo", text(`${count}`)))).to.equal(`${count}`);
    }
    release();
    expect(untext(await waiting)).to.equal("released");
  });

  it("answers many calls at once, each with its own result", async () => {
    const one = client();
    const calls = Array.from({ length: 500 }, (_, index) =>
      one.call(service, "Echo", text(`${index}`.repeat(1 + (index % 300)))),
    );
    const results = (await Promise.all(calls)).map(untext);
    expect(results).to.deep.equal(results.map((_, index) => `${index}`.repeat(1 + (index % 300))));
  });

  it("moves messages of nearly 4 MiB both ways, and refuses longer ones", async () => {
    const one = client();
    const long = new Uint8Array(maximumLength - 100).map((_, index) => index);
    expect(Buffer.compare(await one.call(service, "Echo", long), long)).to.equal(0);
    const reply = await failure(one.call(service, "Large", text(`${maximumLength}`)));
    expect(reply.code).to.equal("ResourceExhausted");
    expect(reply.message).to.match(/exceed maximum message size of 4194304/);
    const request = await failure(one.call(service, "Echo", new Uint8Array(maximumLength)));
    expect(request.code).to.equal("ResourceExhausted");
    expect(untext(await one.call(service, "Echo", text("on")))).to.equal("on");
  });

  it("answers at the caller's deadline and tells the method", async () => {
    const peer = rawPeer();
    const data = encodeRequest({ service, method: "Wait", timeoutNano: 20e6 });
    peer.send(frameOf(1, 1, data));
    expect(await peer.answers(1)).to.deep.equal([
      { streamId: 1, code: 4, text: "context deadline exceeded" },
    ]);
    expect(logged).to.deep.equal(["aborted"]);
    expect(lastCall?.signal.aborted).to.equal(true);
    release();
    peer.send(requestFrame(3, "Echo", text("after")));
    expect(await peer.answers(2), "no second answer").to.have.length(2);
  });

  it("gives up a call in the client after its timeout", async () => {
    const one = client();
    const error = await failure(one.call(service, "Wait", new Uint8Array(), { timeoutMs: 10 }));
    expect(error.code).to.equal("DeadlineExceeded");
    release();
    expect(untext(await one.call(service, "Echo", text("on")))).to.equal("on");
  });

  it("aborts the calls of a client that vanishes and serves the others", async () => {
    const other = client();
    const peer = rawPeer();
    peer.send(requestFrame(1, "Wait"));
    await until(() => lastCall !== undefined);
    peer.socket.destroy();
    await until(() => logged.includes("aborted"));
    release();
    expect(untext(await other.call(service, "Echo", text("still")))).to.equal("still");
  });

  it("fails the client's calls when the server is gone", async () => {
    const one = client();
    const waiting = one.call(service, "Wait", new Uint8Array());
    await until(() => lastCall !== undefined);
    server.close();
    const error = await failure(waiting);
    expect([error.code, error.message]).to.deep.equal(["Unavailable", "ttrpc: closed"]);
    expect(one.open).to.equal(false);
    expect((await failure(one.call(service, "Echo", text("")))).code).to.equal("Unavailable");
  });

  it("refuses stream ids that are even or do not grow", async () => {
    const peer = rawPeer();
    peer.send(requestFrame(3, "Empty"), requestFrame(3, "Empty"), requestFrame(1, "Empty"));
    peer.send(requestFrame(4, "Empty"), requestFrame(5, "Empty"));
    const reused = "StreamID cannot be re-used and must increment";
    const even = "StreamID must be odd for client initiated streams";
    const byId = (a: Answer, b: Answer): number => a.streamId - b.streamId || a.code - b.code;
    expect((await peer.answers(5)).sort(byId)).to.deep.equal([
      { streamId: 1, code: 3, text: reused },
      { streamId: 3, code: 0, text: "" },
      { streamId: 3, code: 3, text: reused },
      { streamId: 4, code: 3, text: even },
      { streamId: 5, code: 0, text: "" },
    ]);
  });

  it("refuses data of no stream, ignores unknown types and data of a call under way", async () => {
    const peer = rawPeer();
    peer.send(frameOf(1, 3, text("x")), frameOf(1, 9, text("x")), requestFrame(1, "Wait"));
    await until(() => lastCall !== undefined);
    peer.send(frameOf(1, 3, new Uint8Array()), requestFrame(3, "Echo", text("on")));
    await peer.answers(2);
    release();
    expect(await peer.answers(3)).to.deep.equal([
      { streamId: 1, code: 3, text: "StreamID is no longer active" },
      { streamId: 3, code: 0, text: "on" },
      { streamId: 1, code: 0, text: "released" },
    ]);
  });

  it("refuses what is no request and goes on", async () => {
    const peer = rawPeer();
    peer.send(frameOf(1, 1, text("\x0a\xff\xff")), requestFrame(3, "Echo", text("on")));
    const [bad, good] = await peer.answers(2);
    expect(bad).to.include({ streamId: 1, code: 3 });
    expect(bad?.text).to.match(/^unmarshal request error: /);
    expect(good).to.deep.equal({ streamId: 3, code: 0, text: "on" });
  });

  it("refuses a frame of more than 4 MiB and goes on after it", async () => {
    const peer = rawPeer();
    peer.send(
      frameOf(1, 1, new Uint8Array(maximumLength + 5)),
      requestFrame(3, "Echo", text("on")),
    );
    expect(await peer.answers(2)).to.deep.equal([
      {
        streamId: 1,
        code: 8,
        text: "message length 4194309 exceed maximum message size of 4194304",
      },
      { streamId: 3, code: 0, text: "on" },
    ]);
  });

  it("drops a client that asks for much and reads nothing, and serves the others", async () => {
    const peer = rawPeer();
    peer.socket.pause();
    for (let streamId = 1; streamId < 400; streamId += 2) {
      peer.send(requestFrame(streamId, "Large", text("1000000")));
    }
    const other = client();
    for (let count = 0; count < 100; count++) {
      expect(untext(await other.call(service, "Echo", text("quick")))).to.equal("quick");
    }
    peer.socket.resume();
    await until(() => peer.ended);
    expect((await peer.answers(200)).length).to.be.below(200);
    expect(untext(await other.call(service, "Echo", text("end")))).to.equal("end");
  });

  it("refuses peers of another user or group", async function () {
    // only root can be somebody else
    if (process.getuid?.() !== 0) this.skip();
    chmodSync(directory, 0o755);
    chmodSync(path, 0o666);
    const script = `require("net").connect(${JSON.stringify(path)}).on("close", () => process.exit(7))`;
    for (const [uid, gid] of [
      [65534, 0],
      [0, 65534],
    ]) {
      const child = spawn(process.execPath, ["-e", script], { uid, gid, stdio: "ignore" });
      const status = await new Promise((resolve) => child.on("exit", resolve));
      expect(status, "closed by us").to.equal(7);
      expect(logged.pop()).to.match(new RegExp(`refused .* of ${uid}:${gid}$`));
    }
    expect(untext(await client().call(service, "Echo", text("us")))).to.equal("us");
  });
});
