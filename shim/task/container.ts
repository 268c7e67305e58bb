/** A container of this shim: its init and execs, which verbs are allowed when, and the order in which ends are told. */

import { describe, fail, RuntimeError } from "../../runtime/base/errors.ts";
import type { CgroupManager } from "../../runtime/cgroups/manager.ts";
import type { Runtime } from "../../runtime/lifecycle/context.ts";
import { execHosted } from "../../runtime/lifecycle/hosted.ts";
import { kill } from "../../runtime/lifecycle/kill.ts";
import { pause, resume } from "../../runtime/lifecycle/pause.ts";
import { start } from "../../runtime/lifecycle/start.ts";
import type { StateFile } from "../../runtime/lifecycle/store.ts";
import { destroy, removeContainer } from "../../runtime/lifecycle/tear-down.ts";
import { update } from "../../runtime/lifecycle/update.ts";
import type { LinuxResources, Process } from "../../schemas/generated/config.ts";
import type { Exit } from "../event-loop/children.ts";
import { openStdio, type StdioRequest } from "../io/stdio.ts";
import { watchOom } from "../oom.ts";
import { unmountRootfs } from "../rootfs/unmount.ts";
import type { Created, IoOwner } from "./create.ts";
import { alreadyFinished, noSuchExec, notCreated, runtimeFailure } from "./failure.ts";
import { type Host, mountEnvironment } from "./host.ts";
import { drainTimeoutMs, TaskProcess } from "./process.ts";
import { SharedLock } from "./shared-lock.ts";
import { TaskEvents } from "./task-events.ts";

/** How long the exits of execs may take after init's: all of them have been killed. Milliseconds. */
const execExitsTimeoutMs = 10_000;

type Freezer = "thawed" | "pausing" | "paused";

/** An exec that has been added: what it is to run is kept until it is started. */
interface Exec {
  readonly task: TaskProcess;
  program: Process | undefined;
  /** Resolves when it is settled whether it runs, and, if it does, when its exit has been told. */
  settled: Promise<void> | undefined;
}

export class Container {
  readonly id: string;
  readonly bundle: string;
  readonly init: TaskProcess;
  readonly #host: Host;
  readonly #rt: Runtime;
  readonly #state: StateFile;
  readonly #cgroups: CgroupManager;
  readonly #owner: IoOwner;
  readonly #mounted: string | undefined;
  readonly #events: TaskEvents;
  readonly #oom: { close(): void } | undefined;
  readonly #lock = new SharedLock();
  readonly #execs = new Map<string, Exec>();
  #freezer: Freezer = "thawed";
  /** Init has ended, though it may not have been told yet. */
  #ended = false;
  /** A start that is going on: the exit is told after it. */
  #starting: Promise<number> | undefined;
  readonly #exitTold: Promise<void>;

  /** In: what createContainer made; from now on this object owns it. */
  constructor(host: Host, created: Created, stdio: StdioRequest) {
    const { state, init, io } = created;
    this.id = state.id;
    this.bundle = state.bundle;
    this.init = new TaskProcess(state.id, stdio);
    this.init.io = io;
    this.init.spawned(init.pid, init.pidfd);
    this.#host = host;
    this.#rt = created.rt;
    this.#state = state;
    this.#cgroups = created.cgroups;
    this.#owner = created.owner;
    this.#mounted = created.mounted;
    this.#events = new TaskEvents(host.events, state.id);
    this.#oom = this.#watchOom();
    this.#exitTold = this.#guard(this.#watchInit());
  }

  get events(): TaskEvents {
    return this.#events;
  }

  /** What State says of init, or of an exec: those of a frozen container are frozen, too. */
  statusOf(task: TaskProcess): "created" | "running" | "stopped" | Freezer {
    switch (task.status) {
      case "running":
        return this.#freezer === "thawed" ? "running" : this.#freezer;
      case "stopped":
      case "deleted":
        return "stopped";
      default:
        return "created";
    }
  }

  /** Init for "". @throws NotFound. */
  process(execId: string): TaskProcess {
    if (execId === "") return this.init;
    return this.#exec(execId).task;
  }

  #exec(execId: string): Exec {
    const exec = this.#execs.get(execId);
    if (exec === undefined) throw noSuchExec(execId);
    return exec;
  }

  /** Out: the pid, also of one that has ended already. */
  start(): Promise<number> {
    return this.#lock.shared(async () => {
      if (this.#ended) throw fail("Unknown", "cannot start a stopped process");
      this.init.beginStart();
      this.#starting = this.#start();
      return this.#starting;
    });
  }

  async #start(): Promise<number> {
    try {
      await start(this.#rt, this.id);
    } catch (error) {
      this.init.startRefused();
      throw runtimeFailure("start", error);
    }
    this.init.started();
    this.#events.started(this.init.pid);
    return this.init.pid;
  }

  /** @throws AlreadyExists; what a paused or stopped container is told. */
  addExec(execId: string, program: Process, stdio: StdioRequest): void {
    if (this.#execs.has(execId)) throw fail("AlreadyExists", `id ${execId}`);
    if (this.#freezer !== "thawed") throw fail("Unknown", "cannot exec in a paused state");
    if (this.#ended) throw fail("Unknown", "cannot exec in a stopped state");
    const task = new TaskProcess(execId, stdio);
    this.#execs.set(execId, { task, program, settled: undefined });
    this.#events.execAdded(execId);
  }

  /** Many at a time; never while the container is frozen or being frozen: the new process would hang, and we with it. */
  startExec(execId: string): Promise<number> {
    return this.#lock.shared(async () => {
      const exec = this.#exec(execId);
      if (this.#ended) {
        throw fail("FailedPrecondition", `container ${this.id} init process is not running`);
      }
      if (this.#freezer !== "thawed")
        throw fail("Unknown", "cannot start a process in a paused container");
      exec.task.beginStart();
      const started = this.#launch(exec);
      exec.settled = this.#guard(this.#watchExec(exec.task, started));
      return started;
    });
  }

  async #launch(exec: Exec): Promise<number> {
    const { task, program } = exec;
    exec.program = undefined;
    try {
      if (program === undefined) throw fail("Internal", "exec has no process");
      const owner = { id: task.id, namespace: this.#host.namespace, ...this.#owner };
      task.io = await openStdio(this.#host, task.stdio, owner);
      const { pid, pidfd, terminal } = await execHosted(this.#rt, this.id, program, task.io.stdio);
      task.spawned(pid, pidfd);
      task.io.handedOver();
      if (terminal >= 0) task.io.attachTerminal(terminal);
    } catch (error) {
      task.io?.close();
      task.io = undefined;
      task.startFailed();
      throw runtimeFailure("exec", error);
    }
    task.started();
    this.#events.execStarted(task.id, task.pid);
    return task.pid;
  }

  async #watchExec(task: TaskProcess, started: Promise<number>): Promise<void> {
    try {
      await started;
    } catch {
      return; // told to whoever started it
    }
    const exit = await this.#host.children.exit(task.pid);
    await task.io?.exited();
    task.stopped(exit);
    this.#events.exited(task);
  }

  /** Waits for nothing: a container that is being changed can be killed. */
  async kill(execId: string, signal: number, all: boolean): Promise<void> {
    if (execId !== "") {
      this.#exec(execId).task.signal(this.#host.children.native, signal);
      return;
    }
    if (this.#ended) throw alreadyFinished();
    try {
      await kill(this.#rt, this.id, signal, all);
    } catch (error) {
      const code = error instanceof RuntimeError ? error.code : "Unknown";
      if (code === "FailedPrecondition" || code === "NotFound") throw alreadyFinished();
      throw runtimeFailure("kill", error);
    }
  }

  pause(): Promise<void> {
    return this.#lock.exclusive(async () => {
      this.#requireRunning("pause");
      if (this.#freezer !== "thawed") throw fail("Unknown", "cannot pause a paused container");
      this.#freezer = "pausing";
      try {
        await pause(this.#rt, this.id);
        if (this.#ended) throw fail("FailedPrecondition", "container not running");
      } catch (error) {
        this.#freezer = "thawed";
        if (this.#ended) this.#cgroups.thaw();
        throw runtimeFailure("pause", error);
      }
      this.#freezer = "paused";
      this.#events.paused();
    });
  }

  resume(): Promise<void> {
    return this.#lock.exclusive(async () => {
      this.#requireRunning("resume");
      if (this.#freezer !== "paused") throw fail("Unknown", "cannot resume a running container");
      try {
        await resume(this.#rt, this.id);
      } catch (error) {
        // somebody has thawed it behind our back
        if (!this.#cgroups.isFrozen()) this.#freezer = "thawed";
        throw runtimeFailure("resume", error);
      }
      this.#freezer = "thawed";
      this.#events.resumed();
    });
  }

  #requireRunning(verb: string): void {
    const status = this.#ended ? "stopped" : this.init.status;
    if (status !== "running") throw fail("Unknown", `cannot ${verb} a ${status} process`);
  }

  async update(resources: LinuxResources): Promise<void> {
    if (this.#ended) throw fail("Unknown", "cannot update a stopped container");
    try {
      await update(this.#rt, this.id, resources);
    } catch (error) {
      throw runtimeFailure("update", error);
    }
  }

  /**
   * Host pids of everything in the container with, for processes of execs, the exec's id. One that has ended still tells
   * its first process: containerd 2.x deletes at its start, and with it the exit status, what has no process.
   */
  pids(): { readonly pid: number; readonly execId: string | undefined }[] {
    if (this.init.exit !== undefined) return [{ pid: this.init.pid, execId: undefined }];
    const execIds = new Map<number, string>();
    for (const { task } of this.#execs.values()) {
      if (task.status === "running") execIds.set(task.pid, task.id);
    }
    const pids = this.#cgroups.exists() ? this.#cgroups.pids() : [this.init.pid];
    return pids.map((pid) => ({ pid, execId: execIds.get(pid) }));
  }

  /** @throws NotFound without a cgroup; one that has ended has its cgroup until it is deleted. */
  cgroups(): CgroupManager {
    if (!this.#cgroups.exists()) throw fail("NotFound", "cgroup does not exist");
    return this.#cgroups;
  }

  /** Out: the exec, after its end. @throws NotFound the second time. */
  async deleteExec(execId: string): Promise<TaskProcess> {
    const { task } = this.#exec(execId);
    if (task.isActive) throw fail("Unknown", "cannot delete a running process");
    if (task.deleting !== undefined) {
      await task.deleting;
      throw noSuchExec(execId);
    }
    task.deleting = task.io?.drained(drainTimeoutMs) ?? Promise.resolve();
    await task.deleting;
    this.#execs.delete(execId);
    task.deleted();
    return task;
  }

  /**
   * Removes everything, also when the caller gives up meanwhile: whoever asks again waits here, and gets NotFound.
   * In: to be called when all has gone well. Kills a container that is not started.
   */
  delete(removed: () => void): Promise<TaskProcess> {
    return this.#lock.exclusive(async () => {
      const { init } = this;
      if (init.status === "deleted") throw notCreated();
      if (init.status === "running") {
        throw fail("Unknown", "cannot delete a running process");
      }
      if (init.exit === undefined) await destroy(this.#rt, this.#state, this.#cgroups);
      await this.#exitTold;
      await init.io?.drained(drainTimeoutMs);
      try {
        await removeContainer(this.#rt, this.#state, this.#cgroups);
      } catch (error) {
        throw runtimeFailure("delete", error);
      }
      if (this.#mounted !== undefined) {
        await unmountRootfs(mountEnvironment(this.#host), this.#mounted);
      }
      for (const { task } of this.#execs.values()) task.deleted();
      this.#execs.clear();
      init.deleted();
      removed();
      this.#events.deleted(init);
      return init;
    });
  }

  #watchOom(): { close(): void } | undefined {
    try {
      return watchOom(this.#host.reactor, this.#cgroups, () => this.#events.outOfMemory());
    } catch (error) {
      // without a memory controller nobody kills for memory
      this.#host.log.debug(`${this.id}: no watch for memory kills: ${describe(error)}`);
      return undefined;
    }
  }

  async #watchInit(): Promise<void> {
    const exit = await this.#host.children.exit(this.init.pid);
    this.#ended = true;
    try {
      await this.#endOthers();
    } catch (error) {
      this.#host.log.warn(`${this.id}: after the end of init: ${describe(error)}`);
    }
    await this.#starting?.catch(() => undefined);
    await this.init.io?.exited();
    this.#tellExit(exit);
  }

  /** Nothing of a container lives longer than its init; what a pid namespace of its own does not see to is done here. */
  async #endOthers(): Promise<void> {
    if (this.#freezer !== "thawed") this.#cgroups.thaw();
    if (this.#state.sharesPidNamespace) await destroy(this.#rt, this.#state, this.#cgroups);
    const exits: Promise<void>[] = [];
    for (const { task, settled } of this.#execs.values()) {
      if (task.isActive && settled !== undefined) exits.push(settled);
    }
    if (exits.length === 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, execExitsTimeoutMs);
    });
    await Promise.race([Promise.all(exits), timeout]);
    clearTimeout(timer);
  }

  #tellExit(exit: Exit): void {
    this.#oom?.close(); // tells of kills that have not been told yet
    this.#freezer = "thawed";
    this.init.stopped(exit);
    this.#events.exited(this.init);
  }

  /** Work that nobody waits for: a mistake in it must not end the shim. */
  async #guard(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#host.log.error(`${this.id}: ${describe(error)}`);
    }
  }
}
