/** The task service, v2 and v3: from requests as bytes to the containers and back. No decisions are made here. */
import { fail } from "../../runtime/base/errors.ts";
import { loadResources, parseProcess } from "../../runtime/spec/load.ts";
import { encodeProcessDetails } from "../../schemas/generated/proto/runc-options.ts";
import * as proto from "../../schemas/generated/proto/task.ts";
import { encodeDeleteResponse } from "../../schemas/generated/proto/task-delete.ts";
import { parseRuntimeOptions } from "../bootstrap/options.ts";
import type { StdioRequest } from "../io/stdio.ts";
import type { Container } from "../task/container.ts";
import type { Containers } from "../task/containers.ts";
import type { TaskProcess } from "../task/process.ts";
import { timestamp } from "../task/timestamp.ts";
import type { Method, Services } from "../ttrpc/server.ts";

/** What the service asks of the daemon around it. */
export interface TaskServiceOptions {
  readonly containers: Containers;
  readonly warn: (text: string) => void;
  /** Shutdown was called: end when there is nothing left. */
  readonly shutdown: () => void;
}

const empty = new Uint8Array(0);
const decoder = new TextDecoder();

/** Both versions have the same messages. */
export function taskServices(options: TaskServiceOptions): Services {
  const methods = taskMethods(options);
  return { "containerd.task.v2.Task": methods, "containerd.task.v3.Task": methods };
}

function taskMethods(options: TaskServiceOptions): Readonly<Record<string, Method>> {
  return { ...lifeMethods(options), ...controlMethods(options), ...viewMethods(options) };
}

function lifeMethods({
  containers,
  warn,
  shutdown,
}: TaskServiceOptions): Readonly<Record<string, Method>> {
  return {
    Create: async (payload) => {
      const request = proto.decodeCreateTaskRequest(payload);
      const { id, bundle, rootfs, checkpoint } = request;
      const { init } = await containers.create({
        id,
        bundle,
        rootfs,
        checkpoint,
        stdio: stdioOf(request),
        options: await parseRuntimeOptions(request.options ?? undefined, warn),
      });
      return proto.encodeCreateTaskResponse({ pid: init.pid });
    },
    Start: async (payload) => {
      const { id, execId } = proto.decodeStartRequest(payload);
      const container = containers.get(id);
      const pid = await (execId === "" ? container.start() : container.startExec(execId));
      return proto.encodeStartResponse({ pid });
    },
    Delete: async (payload) => {
      const { id, execId } = proto.decodeDeleteRequest(payload);
      const { pid, result } = await containers.delete(id, execId);
      const exitedAt = timestamp(result.at);
      return encodeDeleteResponse({ pid, exitStatus: result.status, exitedAt });
    },
    Exec: async (payload) => {
      const request = proto.decodeExecProcessRequest(payload);
      const container = containers.get(request.id);
      const program = parseProcess(decoder.decode(request.spec?.value ?? empty), "exec spec");
      const { terminal } = request;
      container.addExec(request.execId, { ...program, terminal }, stdioOf(request));
      return empty;
    },
    Shutdown: async () => {
      shutdown();
      return empty;
    },
  };
}

function controlMethods({ containers }: TaskServiceOptions): Readonly<Record<string, Method>> {
  return {
    Pause: async (payload) => {
      await containers.get(proto.decodePauseRequest(payload).id).pause();
      return empty;
    },
    Resume: async (payload) => {
      await containers.get(proto.decodeResumeRequest(payload).id).resume();
      return empty;
    },
    Kill: async (payload) => {
      const { id, execId, signal, all } = proto.decodeKillRequest(payload);
      await containers.kill(id, execId, signal, all);
      return empty;
    },
    ResizePty: async (payload) => {
      const { id, execId, width, height } = proto.decodeResizePtyRequest(payload);
      containers.get(id).process(execId).resize(width, height);
      return empty;
    },
    CloseIO: async (payload) => {
      const { id, execId } = proto.decodeCloseIORequest(payload);
      containers.get(id).process(execId).io?.closeStdin();
      return empty;
    },
    Update: async (payload) => {
      const { id, resources } = proto.decodeUpdateTaskRequest(payload);
      const container = containers.get(id);
      if (resources === null) throw fail("InvalidArgument", "update without resources");
      await container.update(loadResources(decoder.decode(resources.value)));
      return empty;
    },
    Checkpoint: async (payload) => {
      containers.get(proto.decodeCheckpointTaskRequest(payload).id);
      throw fail("Unimplemented", "checkpoints are not supported");
    },
  };
}

/**
 * Gives all other callers their turn between two calls that read some 30 files, 1 ms of work that cannot be interrupted:
 * a client may send thousands of them at once.
 */
function turns(): () => Promise<void> {
  let last = Promise.resolve();
  return () => {
    last = last.then(() => new Promise((resolve) => setImmediate(resolve)));
    return last;
  };
}

function viewMethods({ containers }: TaskServiceOptions): Readonly<Record<string, Method>> {
  const turn = turns();
  return {
    State: async (payload) => {
      const { id, execId } = proto.decodeStateRequest(payload);
      const container = containers.get(id);
      return stateResponse(container, container.process(execId), execId);
    },
    Wait: async (payload, { signal }) => {
      const { id, execId } = proto.decodeWaitRequest(payload);
      const { status, at } = await containers.get(id).process(execId).wait(signal);
      return proto.encodeWaitResponse({ exitStatus: status, exitedAt: timestamp(at) });
    },
    Pids: async (payload) => {
      const processes = containers
        .get(proto.decodePidsRequest(payload).id)
        .pids()
        .map(({ pid, execId }) =>
          execId === undefined ? { pid } : { pid, info: processDetails(execId) },
        );
      return proto.encodePidsResponse({ processes });
    },
    Stats: async (payload) => {
      const { id } = proto.decodeStatsRequest(payload);
      await turn();
      const cgroups = containers.get(id).cgroups();
      // 50 kB of code for those who ask
      const { encodeMetrics } = await import("../metrics/metrics.ts");
      return proto.encodeStatsResponse({ stats: encodeMetrics(cgroups) });
    },
    // Never an error: containerd kills shims that do not answer it after its restart.
    Connect: async (payload) => {
      const { id } = proto.decodeConnectRequest(payload);
      const taskPid = containers.find(id)?.init.pid ?? 0;
      return proto.encodeConnectResponse({ shimPid: process.pid, taskPid });
    },
  };
}

const statuses = {
  created: proto.Status.CREATED,
  running: proto.Status.RUNNING,
  thawed: proto.Status.RUNNING,
  stopped: proto.Status.STOPPED,
  paused: proto.Status.PAUSED,
  pausing: proto.Status.PAUSING,
};

function stateResponse(container: Container, task: TaskProcess, execId: string): Uint8Array {
  const { stdin, stdout, stderr, terminal } = task.stdio;
  return proto.encodeStateResponse({
    id: container.id,
    bundle: container.bundle,
    pid: task.pid,
    status: statuses[container.statusOf(task)],
    stdin,
    stdout,
    stderr,
    terminal,
    exitStatus: task.exit?.status,
    exitedAt: timestamp(task.exit?.at),
    execId,
  });
}

function processDetails(execId: string): { typeUrl: string; value: Uint8Array } {
  return { typeUrl: "containerd.runc.v1.ProcessDetails", value: encodeProcessDetails({ execId }) };
}

function stdioOf({ stdin, stdout, stderr, terminal }: StdioRequest): StdioRequest {
  return { stdin, stdout, stderr, terminal };
}
