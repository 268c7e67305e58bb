/** The gRPC server over a real socket, with grpc-js as its client. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { expect } from "chai";
import { fail } from "../../runtime/base/errors.ts";
import { libexecDir, openAddon } from "../../runtime/native/binding.ts";
import { type Reactor, startReactor } from "../event-loop/reactor.ts";
import type { Call, Server, Services } from "../ttrpc/server.ts";
import { serveGrpc } from "./server.ts";

process.env["TSRUNC_LIBEXEC"] ??= `${process.cwd()}/dist/libexec/tsrunc`;

const service = "containerd.task.v3.Task";

function socketCount(): number {
  return readdirSync("/proc/self/fd").length;
}

describe("grpc", () => {
  let directory: string;
  let reactor: Reactor;
  let server: Server;
  let client: Client;
  let lastCall: Call | undefined;
  let aborted = 0;
  let socketsBefore = 0;

  const methods: Services[string] = {
    Echo: (payload, call) => {
      lastCall = call;
      return Promise.resolve(payload);
    },
    Fail: () => Promise.reject(fail("AlreadyExists", "id c1")),
    Wait: (_payload, call) =>
      new Promise(() => {
        call.signal.addEventListener("abort", () => {
          aborted++;
        });
      }),
  };

  before(function () {
    // the addon has not been built
    if (!existsSync(`${libexecDir()}/tsrunc.node`)) this.skip();
  });

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "grpc-"));
    const native = openAddon();
    reactor = startReactor(native);
    const silent = (): void => {};
    const log = { debug: silent, info: silent, warn: silent, error: silent, toStderr: false };
    const path = join(directory, "s");
    aborted = 0;
    socketsBefore = socketCount();
    server = serveGrpc({ native, reactor, log }, native.listenStream(path), { [service]: methods });
    client = new Client(`unix:${path}`, credentials.createInsecure());
  });

  afterEach(async () => {
    client.close();
    server.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(socketCount(), "open files").to.be.at.most(socketsBefore);
    reactor.stop();
    rmSync(directory, { recursive: true });
  });

  function call(name: string, payload: Uint8Array, timeoutMs = 5000): Promise<Uint8Array> {
    const metadata = new Metadata();
    metadata.set("containerd-namespace", "k8s.io");
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        `/${service}/${name}`,
        (bytes: Uint8Array) => Buffer.from(bytes),
        (bytes: Buffer) => bytes,
        payload,
        metadata,
        { deadline: Date.now() + timeoutMs },
        (error, reply) => (error === null ? resolve(reply ?? new Uint8Array()) : reject(error)),
      );
    });
  }

  async function failure(promise: Promise<unknown>): Promise<ServiceError> {
    return promise.then(
      () => {
        throw new Error("it did not fail");
      },
      (error) => error as ServiceError,
    );
  }

  it("answers calls, with their metadata", async () => {
    expect(Buffer.from(await call("Echo", Buffer.from("hello"))).toString()).to.equal("hello");
    expect(lastCall?.metadata.get("containerd-namespace")).to.equal("k8s.io");
    expect(await call("Echo", new Uint8Array())).to.have.length(0);
  });

  it("answers many at once, large ones among them", async () => {
    const payloads = Array.from({ length: 50 }, (_, index) => Buffer.alloc(index * 20_000, index));
    const replies = await Promise.all(payloads.map((payload) => call("Echo", payload)));
    expect(replies.every((reply, index) => payloads[index]?.equals(reply))).to.equal(true);
  });

  it("passes on class and text of a failure, and refuses unknown methods", async () => {
    const known = await failure(call("Fail", new Uint8Array()));
    expect([known.code, known.details]).to.deep.equal([6, "id c1: already exists"]);
    expect((await failure(call("Nothing", new Uint8Array()))).code).to.equal(12);
  });

  it("tells a method that its caller's time is up", async () => {
    expect((await failure(call("Wait", new Uint8Array(), 50))).code).to.equal(4);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(aborted).to.equal(1);
  });
});
