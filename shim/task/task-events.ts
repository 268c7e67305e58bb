/** The events of one container, as messages on the shim's queue. */
import {
  encodeTaskCreate,
  encodeTaskDelete,
  encodeTaskExecAdded,
  encodeTaskExecStarted,
  encodeTaskExit,
  encodeTaskOOM,
  encodeTaskPaused,
  encodeTaskResumed,
  encodeTaskStart,
  type TaskCreateInit,
} from "../../schemas/generated/proto/events.ts";
import type { Events } from "../events/queue.ts";
import type { TaskProcess } from "./process.ts";
import { timestamp } from "./timestamp.ts";

export class TaskEvents {
  readonly #events: Events;
  readonly #containerId: string;

  constructor(events: Events, containerId: string) {
    this.#events = events;
    this.#containerId = containerId;
  }

  created(facts: TaskCreateInit): void {
    const message = encodeTaskCreate({ ...facts, containerId: this.#containerId });
    this.#publish("create", "TaskCreate", message);
  }

  started(pid: number): void {
    const message = encodeTaskStart({ containerId: this.#containerId, pid });
    this.#publish("start", "TaskStart", message);
  }

  execAdded(execId: string): void {
    const message = encodeTaskExecAdded({ containerId: this.#containerId, execId });
    this.#publish("exec-added", "TaskExecAdded", message);
  }

  execStarted(execId: string, pid: number): void {
    const message = encodeTaskExecStarted({ containerId: this.#containerId, execId, pid });
    this.#publish("exec-started", "TaskExecStarted", message);
  }

  /** Of init or of an exec, after its status has become stopped: dockerd asks for the status when it hears of it. */
  exited({ id, pid, exit }: TaskProcess): void {
    const message = encodeTaskExit({
      containerId: this.#containerId,
      id,
      pid,
      exitStatus: exit?.status,
      exitedAt: timestamp(exit?.at),
    });
    this.#publish("exit", "TaskExit", message);
  }

  /** Of init only, as other shims do. */
  deleted({ pid, exit }: TaskProcess): void {
    const message = encodeTaskDelete({
      containerId: this.#containerId,
      pid,
      exitStatus: exit?.status,
      exitedAt: timestamp(exit?.at),
    });
    this.#publish("delete", "TaskDelete", message);
  }

  outOfMemory(): void {
    this.#publish("oom", "TaskOOM", encodeTaskOOM({ containerId: this.#containerId }));
  }

  paused(): void {
    this.#publish("paused", "TaskPaused", encodeTaskPaused({ containerId: this.#containerId }));
  }

  resumed(): void {
    this.#publish("resumed", "TaskResumed", encodeTaskResumed({ containerId: this.#containerId }));
  }

  #publish(topic: string, type: string, message: Uint8Array): void {
    this.#events.publish(`/tasks/${topic}`, `containerd.events.${type}`, message);
  }
}
