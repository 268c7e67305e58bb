/** `exec`: one more process in a container. */
import { closeSync, readlinkSync } from "node:fs";
import type { Process, Spec } from "../../schemas/generated/config.ts";
import { fail } from "../base/errors.ts";
import { isAlive } from "../host/process-stat.ts";
import { lacksSetGroups } from "../host/user-namespace.ts";
import { buildExecPlan } from "../plan/exec.ts";
import { keepsGroups } from "../spec/annotations.ts";
import { checkProcess } from "../spec/check.ts";
import { namespaceFlag } from "../spec/namespaces.ts";
import { type AnnounceOptions, announce } from "./announce.ts";
import { openCgroupJoin } from "./cgroup-join.ts";
import type { Runtime } from "./context.ts";
import { execProcess, type ProcessOptions } from "./exec-process.ts";
import { withFds } from "./fds.ts";
import { supervise } from "./foreground.ts";
import { hookState } from "./hooks.ts";
import {
  converse,
  type InitProcess,
  type Session,
  type SessionHandlers,
  spawnInit,
} from "./init-session.ts";
import { checkLabels } from "./labels.ts";
import { type ManagedContainer, openManaged } from "./managed.ts";
import { inheritedFds } from "./preserved-fds.ts";
import { joinRdt } from "./rdt.ts";
import { sendListener } from "./seccomp-agent.ts";
import { loadFilter } from "./seccomp-filter.ts";
import { type Container, requireAlive } from "./status.ts";
import { loadFrozenConfig } from "./store.ts";
import { openProcess } from "./tear-down.ts";
import { checkTerminal, type TerminalKeeper, terminalKeeper } from "./terminal.ts";

export interface ExecOptions extends ProcessOptions {
  readonly id: string;
  readonly consoleSocket?: string;
  readonly pidFile?: string;
  readonly pidfdSocket?: string;
  readonly detach: boolean;
  readonly preserveFds: number;
  /** `--cgroup` as typed. */
  readonly cgroups: readonly string[];
  readonly ignorePaused: boolean;
}

/**
 * Out: the process's exit status (128 + signal), or 0 when detached.
 * With ignorePaused in a paused container it waits for resume, on v2 inside clone3(2): not for an event loop.
 */
export async function exec(rt: Runtime, options: ExecOptions): Promise<number> {
  const container = openManaged(rt, options.id);
  requireExecutable(container, options.ignorePaused);
  const spec = loadFrozenConfig(rt.root, options.id);
  const process = execProcess(spec, options);
  checkProcess(process);
  checkTerminal({
    terminal: process.terminal === true,
    consoleSocket: options.consoleSocket,
    detached: options.detach,
  });
  const { consoleSocket, detach } = options;
  const terminal = terminalKeeper(rt, detach ? consoleSocket : undefined);
  const supervision = detach ? {} : { beforeProgram: () => rt.native().holdSignals() };
  const subject = { ...options, spec, process, ...supervision };
  const init = await launchExec(rt, container, subject, terminal);
  if (!detach) return supervise(rt, init, terminal);
  closeSync(init.pidfd);
  return 0;
}

/** A process for a container, and how it is to be started. */
export interface ExecSubject extends AnnounceOptions {
  /** The container's, as frozen. */
  readonly spec: Spec;
  readonly process: Process;
  /** Called before anybody is told of the process, and before its program runs. */
  readonly beforeProgram?: () => void;
  readonly preserveFds: number;
  /** `--cgroup` as typed. */
  readonly cgroups: readonly string[];
  /** What becomes 0, 1 and 2 where there is no terminal; our own by default. They stay the caller's. */
  readonly stdio?: readonly [number, number, number];
}

/**
 * Starts the process and returns when its program is executed; its pidfd and the terminal are the caller's then.
 * @throws FailedPrecondition "container not running" when the container has ended, else what was refused; the
 * terminal is closed then.
 */
export async function launchExec(
  rt: Runtime,
  container: ManagedContainer,
  subject: ExecSubject,
  terminal: TerminalKeeper,
): Promise<InitProcess> {
  try {
    const session = await spawnExec(rt, container, subject);
    return await converse(rt, session, handlers(rt, container, subject, terminal), true);
  } catch (error) {
    terminal.close();
    // whatever its end made fail half-way: ESRCH, ENOENT, ENOMEM of a dead pid namespace
    if (hasEnded(container)) throw fail("FailedPrecondition", "container not running");
    throw error;
  }
}

function hasEnded({ state }: Container): boolean {
  return !isAlive(state.pid, state.startTime);
}

function handlers(
  rt: Runtime,
  { state }: Container,
  subject: ExecSubject,
  terminal: TerminalKeeper,
): SessionHandlers {
  return {
    notify: (listener, { pid }) => {
      sendListener(rt, subject.spec, hookState(state, "running", state.pid), listener, pid);
    },
    ready: async (created) => {
      subject.beforeProgram?.();
      await joinRdt(state.rdt, created.pid);
      announce(rt, subject, created);
      return -1;
    },
    console: (master, name) => terminal.receive(master, name),
  };
}

/** @throws FailedPrecondition with runc's text unless a process can join the container now. */
export function requireExecutable(container: Container, ignorePaused: boolean): void {
  if (container.status === "stopped") {
    throw fail("FailedPrecondition", "cannot exec in a stopped container");
  }
  requireAlive(container);
  if (container.status === "paused" && !ignorePaused) {
    throw fail(
      "FailedPrecondition",
      "cannot exec in a paused container (use --ignore-paused to override)",
    );
  }
}

async function spawnExec(
  rt: Runtime,
  { state, cgroups }: ManagedContainer,
  { spec, process, ...subject }: ExecSubject,
): Promise<Session> {
  const seccomp = await loadFilter(rt, spec);
  return withFds((own) => {
    const initPidfd = own(openProcess(rt, state.pid, state.startTime) ?? -1);
    if (initPidfd < 0) throw fail("FailedPrecondition", "container not running");
    const inherited = inheritedFds(rt, subject.preserveFds);
    const place = { initPid: state.pid, subgroups: subject.cgroups };
    const { files, directory } = openCgroupJoin(cgroups, own, place);
    const inUserNamespace = (state.namespaces & namespaceFlag("user")) !== 0;
    const privileged = globalThis.process.geteuid?.() === 0;
    const plan = buildExecPlan({
      process,
      privileged,
      linux: spec.linux ?? {},
      labels: checkLabels(process),
      containerId: state.id,
      initPidfd,
      namespaceFlags: namespacesToJoin(state.namespaces, state.pid),
      inUserNamespace,
      setGroupsDenied:
        (inUserNamespace && lacksSetGroups(state.pid)) || keepsGroups(spec.annotations),
      initRoot: privileged ? `/proc/${state.pid}/root` : undefined,
      cgroupFds: files,
      seccomp,
      joinKeyring: state.keyring,
      inherited,
    });
    return spawnInit(rt, {
      plan,
      stdio: process.terminal === true ? [-1, -1, -1] : (subject.stdio ?? [0, 1, 2]),
      fds: [initPidfd, ...files.map(({ fd }) => fd), ...inherited.fds],
      cgroupFd: directory,
    });
  });
}

/** A user namespace that is ours already cannot be joined again (setns(2), EINVAL). */
function namespacesToJoin(flags: number, pid: number): number {
  const user = namespaceFlag("user");
  if ((flags & user) === 0) return flags;
  const same = readlinkSync("/proc/self/ns/user") === readlinkSync(`/proc/${pid}/ns/user`);
  return same ? flags & ~user : flags;
}
