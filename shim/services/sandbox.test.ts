/** The sandbox service by its messages, as containerd calls it. */
import { expect } from "chai";
import { RuntimeError } from "../../runtime/base/errors.ts";
import * as proto from "../../schemas/generated/proto/sandbox.ts";
import { Sandboxes } from "../sandbox.ts";
import type { Services } from "../ttrpc/server.ts";
import { sandboxServices } from "./sandbox.ts";

const sandboxId = "pod1";

describe("sandbox service", () => {
  let services: Services;
  let sandboxes: Sandboxes;
  let added: number;
  let shutdowns: number;
  const call = (method: string, payload: Uint8Array, signal = new AbortController().signal) => {
    const handler = services["containerd.runtime.sandbox.v1.Sandbox"]?.[method];
    if (handler === undefined) throw new Error(`no method ${method}`);
    return handler(payload, { metadata: new Map(), signal });
  };
  const create = (request: proto.CreateSandboxRequestInit = {}) =>
    call("CreateSandbox", proto.encodeCreateSandboxRequest({ sandboxId, ...request }));
  const start = async () =>
    proto.decodeStartSandboxResponse(
      await call("StartSandbox", proto.encodeStartSandboxRequest({ sandboxId })),
    );
  const stop = () => call("StopSandbox", proto.encodeStopSandboxRequest({ sandboxId }));
  const status = async (verbose = false) =>
    proto.decodeSandboxStatusResponse(
      await call("SandboxStatus", proto.encodeSandboxStatusRequest({ sandboxId, verbose })),
    );
  const wait = async (signal?: AbortSignal) =>
    proto.decodeWaitSandboxResponse(
      await call("WaitSandbox", proto.encodeWaitSandboxRequest({ sandboxId }), signal),
    );
  const codeOf = async (promise: Promise<unknown>): Promise<string> => {
    try {
      await promise;
    } catch (error) {
      if (error instanceof RuntimeError) return error.code;
      throw error;
    }
    return "none";
  };

  beforeEach(() => {
    added = 0;
    shutdowns = 0;
    sandboxes = new Sandboxes({ containerAdded: () => added++, containerGone: () => added-- });
    services = sandboxServices({ sandboxes, shutdown: () => shutdowns++ });
  });

  it("goes from created to ready to not ready, and is gone", async () => {
    await create();
    expect((await status()).state).to.equal("SANDBOX_NOTREADY");
    const { pid, createdAt } = await start();
    expect(pid).to.equal(process.pid);
    expect(createdAt?.seconds).to.be.closeTo(Date.now() / 1000, 2);
    expect(await status(true)).to.deep.include({
      sandboxId,
      pid,
      state: "SANDBOX_READY",
      createdAt,
      info: { shimPid: String(process.pid) },
    });
    await call("PingSandbox", proto.encodePingRequest({ sandboxId }));
    await stop();
    await stop();
    expect((await status()).state).to.equal("SANDBOX_NOTREADY");
    expect(await codeOf(start())).to.equal("FailedPrecondition");
    expect(added).to.equal(1);
    await call("ShutdownSandbox", proto.encodeShutdownSandboxRequest({ sandboxId }));
    expect([added, shutdowns, sandboxes.size]).to.deep.equal([0, 1, 0]);
    expect(await codeOf(status())).to.equal("NotFound");
    await call("ShutdownSandbox", proto.encodeShutdownSandboxRequest({ sandboxId }));
    expect([added, shutdowns]).to.deep.equal([0, 2]);
  });

  it("lets everybody wait until it is stopped, or shut down", async () => {
    await create();
    await start();
    let done = 0;
    const waits = [wait(), wait()].map(async (promise) => {
      const answer = await promise;
      done++;
      return answer;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(done).to.equal(0);
    await stop();
    for (const { exitStatus, exitedAt } of await Promise.all([...waits, wait()])) {
      expect(exitStatus).to.equal(0);
      expect(exitedAt?.seconds).to.be.closeTo(Date.now() / 1000, 2);
    }
  });

  it("forgets a caller that has gone", async () => {
    await create();
    const caller = new AbortController();
    const waiting = codeOf(wait(caller.signal));
    await new Promise((resolve) => setTimeout(resolve, 10));
    caller.abort();
    expect(await waiting).to.equal("Aborted");
  });

  it("has no pid for those who would join its namespaces", async () => {
    await create({ netnsPath: "/run/netns/pod1" });
    expect((await start()).pid).to.equal(0);
  });

  it("refuses a second one of the same id, and what it does not know", async () => {
    expect(await codeOf(start())).to.equal("NotFound");
    expect(await codeOf(stop())).to.equal("NotFound");
    expect(await codeOf(wait())).to.equal("NotFound");
    await create();
    expect(await codeOf(create())).to.equal("AlreadyExists");
  });

  it("says what it runs, and whom it measures", async () => {
    const { platform } = proto.decodePlatformResponse(
      await call("Platform", proto.encodePlatformRequest({ sandboxId })),
    );
    expect(platform).to.deep.include({ os: "linux" });
    expect(platform?.architecture).to.match(/^(amd64|arm64)$/);
    await create();
    const { metrics } = proto.decodeSandboxMetricsResponse(
      await call("SandboxMetrics", proto.encodeSandboxMetricsRequest({ sandboxId })),
    );
    expect(metrics?.id).to.equal(sandboxId);
  });
});
