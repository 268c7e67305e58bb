/** The sandbox service: from requests as bytes to the sandboxes and back. */
import * as proto from "../../schemas/generated/proto/sandbox.ts";
import type { Sandbox } from "../sandbox.ts";
import { timestamp } from "../task/timestamp.ts";
import type { SandboxMethods, SandboxServiceOptions } from "./sandbox.ts";

const empty = new Uint8Array(0);

/** Go's names, which containerd compares. */
const architectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

export function sandboxMethods({ sandboxes, shutdown }: SandboxServiceOptions): SandboxMethods {
  return {
    CreateSandbox: async (payload) => {
      const { sandboxId, netnsPath, options } = proto.decodeCreateSandboxRequest(payload);
      // CRI's options are the pod's config, which says what namespaces its containers share
      sandboxes.create({ id: sandboxId, namespaces: netnsPath !== "" || options !== null });
      return empty;
    },
    StartSandbox: async (payload) => {
      const { sandboxId } = proto.decodeStartSandboxRequest(payload);
      const { pid, createdAt } = sandboxes.start(sandboxId);
      return proto.encodeStartSandboxResponse({ pid, createdAt: timestamp(createdAt) });
    },
    Platform: async () => {
      const architecture = architectures[process.arch] ?? process.arch;
      return proto.encodePlatformResponse({ platform: { os: "linux", architecture } });
    },
    StopSandbox: async (payload) => {
      sandboxes.stop(proto.decodeStopSandboxRequest(payload).sandboxId);
      return empty;
    },
    WaitSandbox: async (payload, { signal }) => {
      const { sandboxId } = proto.decodeWaitSandboxRequest(payload);
      const { exitedAt } = await sandboxes.wait(sandboxId, signal);
      return proto.encodeWaitSandboxResponse({ exitStatus: 0, exitedAt: timestamp(exitedAt) });
    },
    SandboxStatus: async (payload) => {
      const { sandboxId, verbose } = proto.decodeSandboxStatusRequest(payload);
      return proto.encodeSandboxStatusResponse(statusOf(sandboxes.get(sandboxId), verbose));
    },
    PingSandbox: async (payload) => {
      sandboxes.get(proto.decodePingRequest(payload).sandboxId);
      return empty;
    },
    ShutdownSandbox: async (payload) => {
      sandboxes.remove(proto.decodeShutdownSandboxRequest(payload).sandboxId);
      shutdown();
      return empty;
    },
    // without a process there is no cgroup to measure; those of the containers are measured by Stats
    SandboxMetrics: async (payload) => {
      const { id } = sandboxes.get(proto.decodeSandboxMetricsRequest(payload).sandboxId);
      return proto.encodeSandboxMetricsResponse({
        metrics: { id, timestamp: timestamp(new Date()) },
      });
    },
  };
}

function statusOf(sandbox: Sandbox, verbose: boolean): proto.SandboxStatusResponseInit {
  const { id, pid, createdAt, exitedAt } = sandbox;
  const ready = createdAt !== undefined && exitedAt === undefined;
  return {
    sandboxId: id,
    pid,
    state: ready ? "SANDBOX_READY" : "SANDBOX_NOTREADY",
    createdAt: timestamp(createdAt),
    exitedAt: timestamp(exitedAt),
    info: verbose ? { shimPid: String(process.pid) } : {},
  };
}
