/** The reactor over the real addon: waits that end in every way, copies, and nothing left behind. */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { libexecDir, loadNative, type NativeBinding } from "../../runtime/native/binding.ts";
import { PLAN_ABI } from "../../schemas/generated/plan.ts";
import { ECANCELED, type Reactor, startReactor } from "./reactor.ts";

const EPIPE = 32;

process.env["TSRUNC_LIBEXEC"] ??= `${process.cwd()}/dist/libexec/tsrunc`;
const isBuilt = fs.existsSync(`${libexecDir()}/tsrunc.node`);

let native: NativeBinding;
let reactor: Reactor;

function countFds(): number {
  return fs.readdirSync("/proc/self/fd").length;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Reads until the end without blocking the engine. */
async function readAll(fd: number): Promise<string> {
  const buffer = new Uint8Array(65536);
  let text = "";
  for (;;) {
    await reactor.ready(fd);
    const size = native.tryRead(fd, buffer, 0);
    if (size === 0) return text;
    if (size > 0) text += Buffer.from(buffer.subarray(0, size)).toString("latin1");
  }
}

function codeOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
}

describe("shim/event-loop/reactor", () => {
  before(function () {
    if (!isBuilt) this.skip();
    native = loadNative(PLAN_ABI);
  });

  let fdsBefore = 0;
  beforeEach(() => {
    fdsBefore = countFds();
    reactor = startReactor(native);
  });

  afterEach(() => {
    reactor.stop();
    expect(countFds()).to.equal(fdsBefore);
  });

  describe("ready", () => {
    it("resolves when there is something to read, for each who waits", async () => {
      const [read, write] = native.pipe();
      const waits = [reactor.ready(read), reactor.ready(read, { timeoutMs: 10_000 })];
      expect(await reactor.ready(write, { writable: true })).to.equal(true);
      fs.writeSync(write, "x");
      expect(await Promise.all(waits)).to.deep.equal([true, true]);
      fs.closeSync(write);
      fs.readSync(read, Buffer.alloc(1));
      expect(await reactor.ready(read), "hung up").to.equal(true);
      fs.closeSync(read);
    });

    it("resolves as not ready after a timeout, an abort and stop", async () => {
      const [read, write] = native.pipe();
      expect(await reactor.ready(read, { timeoutMs: 0 })).to.equal(false);
      expect(await reactor.ready(read, { timeoutMs: 20 })).to.equal(false);
      expect(await reactor.ready(read, { signal: AbortSignal.abort() })).to.equal(false);
      const abort = new AbortController();
      const aborted = reactor.ready(read, { signal: abort.signal });
      abort.abort();
      expect(await aborted).to.equal(false);

      fs.writeSync(write, "x");
      const stopped = reactor.ready(read);
      reactor.stop();
      expect(await stopped).to.equal(false);
      expect(await reactor.ready(read)).to.equal(false);
      fs.closeSync(read);
      fs.closeSync(write);
    });

    it("rejects for an fd that is not open", async () => {
      const error = await reactor.ready(123_456).catch((reason: unknown) => reason);
      expect(error).to.include({ code: "EBADF" });
    });

    it("lets the peer of a socket know when it is closed after an abort", async () => {
      const [ours, theirs] = native.socketPair();
      const abort = new AbortController();
      const wait = reactor.ready(ours, { signal: abort.signal });
      abort.abort();
      fs.closeSync(ours);
      await wait;
      expect(native.tryRead(theirs, new Uint8Array(1), 0)).to.equal(0);
      fs.closeSync(theirs);
    });
  });

  describe("copy", () => {
    it("moves all, 200 at once, with readers that are slow", async () => {
      const text = "0123456789abcdef".repeat(16_384);
      const copies = await Promise.all(
        Array.from({ length: 200 }, async (_, index) => {
          const path = `${tmpdir()}/tsrunc-reactor-${process.pid}-${index}`;
          fs.writeFileSync(path, text);
          const from = fs.openSync(path, "r");
          fs.unlinkSync(path);
          const [read, write] = native.pipe();
          const copy = reactor.copy(from, write);
          await pause(index % 7);
          const arrived = await readAll(read);
          fs.closeSync(read);
          return arrived === text && (await copy.done);
        }),
      );
      expect(copies).to.deep.equal(copies.map(() => 0));
    }).timeout(20_000);

    it("tells that nobody reads, and ends when it is told to", async () => {
      const [from, source] = native.pipe();
      const [target, to] = native.pipe();
      fs.closeSync(target);
      expect(await reactor.copy(from, to).done).to.equal(EPIPE);
      fs.closeSync(source);

      const [blockedFrom, writer] = native.pipe();
      const [reader, blockedTo] = native.pipe();
      native.setNonblocking(writer, true);
      const copy = reactor.copy(blockedFrom, blockedTo);
      const block = new Uint8Array(4096);
      while (await reactor.ready(writer, { writable: true, timeoutMs: 100 })) {
        native.tryWrite(writer, block, 0, block.length);
      }
      copy.cancel();
      copy.cancel();
      expect(await copy.done).to.equal(ECANCELED);
      expect(codeOf(() => native.tryWrite(writer, block, 0, 1))).to.equal("EPIPE");
      fs.closeSync(writer);
      fs.closeSync(reader);
    });

    it("owns its fds, also when it cannot start or the reactor has stopped", async () => {
      const [one, other] = native.pipe();
      expect(codeOf(() => reactor.copy(one, 123_456))).to.equal("EBADF");
      const [from, source] = native.pipe();
      const [target, to] = native.pipe();
      const copy = reactor.copy(from, to);
      reactor.stop();
      expect(await copy.done).to.equal(ECANCELED);
      const [late, later] = native.pipe();
      expect(codeOf(() => reactor.copy(late, later))).to.equal("ESHUTDOWN");
      for (const fd of [other, source, target]) fs.closeSync(fd);
    });
  });

  describe("waiter", () => {
    it("gives those that are ready, of several, and leaves no wait behind", async () => {
      const pipes = [native.pipe(), native.pipe(), native.pipe()];
      const fds = pipes.map(([read]) => read);
      const during = countFds();
      const wait = reactor.waiter.wait(fds, -1);
      expect(countFds()).to.equal(during + 3);
      fs.writeSync(pipes[1]?.[1] ?? -1, "x");
      expect(await wait).to.deep.equal([fds[1]]);
      expect(countFds()).to.equal(during);

      fs.closeSync(pipes[2]?.[1] ?? -1);
      expect(await reactor.waiter.wait(fds, 1000), "at once").to.deep.equal([fds[1], fds[2]]);
      expect(await reactor.waiter.wait(fds.slice(0, 1), 20)).to.deep.equal([]);
      expect(await reactor.waiter.wait(fds.slice(0, 1), 0)).to.deep.equal([]);
      expect(countFds()).to.equal(during - 1);
      for (const fd of [...fds, pipes[0]?.[1], pipes[1]?.[1]]) fs.closeSync(fd ?? -1);
    });

    it("gives a closed fd as ready, for whoever reads it to find out", async () => {
      const [read, write] = native.pipe();
      const during = countFds();
      expect(await reactor.waiter.wait([read, 123_456], -1)).to.deep.equal([123_456]);
      expect(countFds()).to.equal(during);
      fs.closeSync(read);
      fs.closeSync(write);
    });
  });

  it("leaves fds and memory as they were after many waits and copies", async () => {
    const [read, write] = native.pipe();
    for (let round = 0; round < 2000; round++) {
      const abort = new AbortController();
      const given = reactor.ready(read, { signal: abort.signal });
      abort.abort();
      await Promise.all([given, reactor.ready(write, { writable: true })]);
      const [from, source] = native.pipe();
      const copy = reactor.copy(from, native.dup(write));
      fs.closeSync(source);
      if (round % 2 === 0) copy.cancel();
      await copy.done;
    }
    fs.closeSync(read);
    fs.closeSync(write);
  }).timeout(20_000);

  it("is one a process", () => {
    expect(codeOf(() => startReactor(native))).to.equal("EALREADY");
  });

  it("accepts connections without waiting and tells who they are", async () => {
    const path = `${tmpdir()}/tsrunc-reactor-${process.pid}.sock`;
    const listener = native.listenStream(path);
    expect(fs.statSync(path).mode & 0o777).to.equal(0o600);
    expect(native.accept(listener)).to.equal(undefined);
    const client = native.connectStream(path);
    expect(await reactor.ready(listener)).to.equal(true);
    const connection = native.accept(listener);
    expect(connection).to.include({ pid: process.pid, uid: process.getuid?.() });
    const server = connection?.fd ?? -1;
    const buffer = new Uint8Array(8);
    expect(native.tryRead(server, buffer, 0)).to.equal(-1);
    expect(native.tryWrite(client, Buffer.from("abcdef"), 2, 3)).to.equal(3);
    expect(native.tryRead(server, buffer, 4)).to.equal(3);
    expect([...buffer]).to.deep.equal([0, 0, 0, 0, 0x63, 0x64, 0x65, 0]);
    fs.closeSync(client);
    expect(native.tryRead(server, buffer, 0)).to.equal(0);
    expect(codeOf(() => native.tryWrite(server, buffer, 0, 1))).to.equal("EPIPE");
    expect(() => native.tryRead(server, buffer, 8)).to.throw(RangeError);
    expect(() => native.tryWrite(server, buffer, 4, 5)).to.throw(RangeError);
    expect(codeOf(() => native.listenStream(path))).to.equal("EADDRINUSE");
    expect(codeOf(() => native.listenStream(`/tmp/${"x".repeat(103)}`))).to.equal("ENAMETOOLONG");
    for (const fd of [server, listener]) fs.closeSync(fd);
    fs.unlinkSync(path);
  });
});
