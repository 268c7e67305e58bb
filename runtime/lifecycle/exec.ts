/** `exec`: one more process in a container. */
import { closeSync, existsSync, readFileSync, readlinkSync } from "node:fs";
import type { Capabilities, Process, Spec } from "../../schemas/generated/config.ts";
import { fail, wrap } from "../base/errors.ts";
import { parseUser } from "../base/user.ts";
import { buildExecPlan } from "../plan/exec.ts";
import { checkProcess } from "../spec/check.ts";
import { loadProcess } from "../spec/load.ts";
import { namespaceFlag } from "../spec/namespaces.ts";
import { announce } from "./announce.ts";
import { openCgroupJoin } from "./cgroup-join.ts";
import type { Runtime } from "./context.ts";
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
import { inheritedFds } from "./preserved-fds.ts";
import { sendListener } from "./seccomp-agent.ts";
import { loadFilter } from "./seccomp-filter.ts";
import { type Container, openContainer, requireAlive } from "./status.ts";
import { loadFrozenConfig } from "./store.ts";
import { openProcess } from "./tear-down.ts";
import { checkTerminal, type TerminalKeeper, terminalKeeper } from "./terminal.ts";

export interface ExecOptions {
  readonly id: string;
  /** `--process`: replaces everything that other options say about the process. */
  readonly processFile?: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env: readonly string[];
  readonly tty?: boolean;
  /** `uid[:gid]`, numbers only. */
  readonly user?: string;
  readonly additionalGids: readonly number[];
  readonly consoleSocket?: string;
  readonly pidFile?: string;
  readonly pidfdSocket?: string;
  readonly detach: boolean;
  readonly processLabel?: string;
  readonly apparmor?: string;
  readonly noNewPrivs?: boolean;
  readonly caps: readonly string[];
  readonly preserveFds: number;
  readonly cgroups: readonly string[];
  readonly ignorePaused: boolean;
}

/** Out: the process's exit status (128 + signal), or 0 when detached. */
export async function exec(rt: Runtime, options: ExecOptions): Promise<number> {
  const container = openContainer(rt, options.id);
  requireExecutable(container, options);
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
  const session = await spawnExec(rt, container, spec, process, options);
  let init: InitProcess;
  try {
    init = await converse(rt, session, handlers(rt, container, spec, options, terminal), true);
  } catch (error) {
    terminal.close();
    throw error;
  }
  if (!detach) return supervise(rt, init, terminal);
  closeSync(init.pidfd);
  return 0;
}

function handlers(
  rt: Runtime,
  { state }: Container,
  spec: Spec,
  options: ExecOptions,
  terminal: TerminalKeeper,
): SessionHandlers {
  return {
    notify: (listener, { pid }) => {
      sendListener(rt, spec, hookState(state, "running", state.pid), listener, pid);
    },
    ready: async (created) => {
      announce(rt, options, created);
      return -1;
    },
    console: (master, name) => terminal.receive(master, name),
  };
}

function requireExecutable(container: Container, options: ExecOptions): void {
  if (container.status === "stopped") {
    throw fail("FailedPrecondition", "cannot exec in a stopped container");
  }
  requireAlive(container);
  if (container.status === "paused" && !options.ignorePaused) {
    throw fail(
      "FailedPrecondition",
      "cannot exec in a paused container (use --ignore-paused to override)",
    );
  }
}

/** The container's own process as frozen at create, changed by what the options say. */
export function execProcess(spec: Spec, options: ExecOptions): Process {
  const base = spec.process;
  if (options.processFile !== undefined) {
    // the container's affinity is for all that join it
    const { execCPUAffinity } = base ?? {};
    const process = loadProcess(options.processFile);
    return execCPUAffinity === undefined ? process : { execCPUAffinity, ...process };
  }
  if (base === undefined) throw fail("FailedPrecondition", "the container's config has no process");
  const { user, caps, tty, noNewPrivs } = options;
  return {
    ...base,
    terminal: tty ?? false,
    args: options.args,
    env: [...(base.env ?? []), ...options.env],
    user: {
      ...base.user,
      ...(user === undefined ? {} : userOf(user)),
      ...(options.additionalGids.length === 0 ? {} : { additionalGids: options.additionalGids }),
    },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(caps.length === 0 ? {} : { capabilities: addCapabilities(base.capabilities, caps) }),
    ...(noNewPrivs === undefined ? {} : { noNewPrivileges: noNewPrivs }),
    ...(options.apparmor === undefined ? {} : { apparmorProfile: options.apparmor }),
    ...(options.processLabel === undefined ? {} : { selinuxLabel: options.processLabel }),
  };
}

function userOf(text: string): { uid: number; gid?: number } {
  const { uid, gid } = parseUser(text);
  return gid === undefined ? { uid } : { uid, gid };
}

/** --cap never touches the inheritable set, and the ambient one only where it is inheritable already (CVE-2022-29162). */
function addCapabilities(base: Capabilities | undefined, caps: readonly string[]): Capabilities {
  const inheritable = base?.inheritable ?? [];
  const ambient = caps.filter((name) => inheritable.includes(name));
  return {
    bounding: [...(base?.bounding ?? []), ...caps],
    effective: [...(base?.effective ?? []), ...caps],
    permitted: [...(base?.permitted ?? []), ...caps],
    inheritable,
    ambient: [...(base?.ambient ?? []), ...ambient],
  };
}

async function spawnExec(
  rt: Runtime,
  { state, cgroups }: Container,
  spec: Spec,
  process: Process,
  options: ExecOptions,
): Promise<Session> {
  const seccomp = await loadFilter(rt, spec);
  return withFds((own) => {
    const initPidfd = own(openProcess(rt, state.pid, state.startTime) ?? -1);
    if (initPidfd < 0) throw fail("FailedPrecondition", "container not running");
    const inherited = inheritedFds(rt, options.preserveFds);
    const place = { initPid: state.pid, subgroups: options.cgroups };
    const { files, directory } = openCgroupJoin(cgroups, own, place);
    const inUserNamespace = (state.namespaces & namespaceFlag("user")) !== 0;
    const plan = buildExecPlan({
      process,
      linux: spec.linux ?? {},
      containerId: state.id,
      initPidfd,
      namespaceFlags: namespacesToJoin(state.namespaces, state.pid),
      inUserNamespace,
      setGroupsDenied: inUserNamespace && deniesSetGroups(state.pid),
      chrootTo: state.sharesMountNamespace ? state.rootfs : undefined,
      cgroupFds: files,
      seccomp,
      joinKeyring: state.keyring,
      inherited,
    });
    return spawnInit(rt, {
      plan,
      stdio: process.terminal === true ? [-1, -1, -1] : [0, 1, 2],
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

function deniesSetGroups(pid: number): boolean {
  const path = `/proc/${pid}/setgroups`;
  try {
    return existsSync(path) && readFileSync(path, "latin1").startsWith("deny");
  } catch (error) {
    throw wrap(error, { op: "read", path });
  }
}
