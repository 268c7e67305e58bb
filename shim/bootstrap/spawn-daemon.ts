/** Starts the shim's daemon: its arguments, environment, session, cgroup and place among the OOM killer's victims. */
import { readFileSync, writeFileSync } from "node:fs";
import { errnoOf, wrap } from "../../runtime/base/errors.ts";
import type { NativeBinding, SpawnOptions } from "../../runtime/native/binding.ts";
import type { Flags } from "./flags.ts";

/** What the daemon has to know besides the command line that containerd gave to `start`. */
export interface DaemonSettings {
  readonly listener: number;
  readonly socketPath: string;
  readonly containerdAddress: string;
  readonly eventsAddress: string;
  readonly transport: "ttrpc" | "grpc";
  readonly debug: boolean;
  readonly shimCgroup: string;
}

export interface Daemon {
  readonly pid: number;
  readonly pidfd: number;
}

/** What is passed on of containerd's environment: nothing that steers an engine, nothing secret. */
const passedOn = ["PATH", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];

/**
 * For the daemon alone: what it starts gets environments of its own. native/launcher/daemon.h has the same. Anonymous
 * memory in kB (Bun 1.4.5) at the start, with one container, and after 200 execs, both when quiet (housekeeping.ts):
 *
 *     none of these                                         3740   5140   5800 to 8100
 *     no compilers, one marker of the garbage collector     3060   4210   4430
 *     no collector thread, collections by the 256 kB        2870   3930   4060
 *
 * Collections by the 256 kB fall into the making of the first container, though: `ctr run --rm` takes 64 ms with them, 54
 * by the 4 MB (least of 15 and of 25 interleaved runs), which still bounds what execs leave. Two threads less, too. CPU
 * time per exec stays within what can be measured: 4.5 to 5.5 ms in all three. Without the timer, which looks every
 * second whether to collect, a shim that waits does not wake up at all.
 */
const engineSettings: readonly string[] = [
  "BUN_JSC_useJIT=0",
  "BUN_JSC_numberOfGCMarkers=1",
  "BUN_JSC_useConcurrentGC=0",
  "BUN_JSC_largeHeapSize=4194304",
  "BUN_GC_TIMER_DISABLE=1",
];

export function daemonArguments(flags: Flags, settings: DaemonSettings): string[] {
  const argv = [
    "containerd-shim-tsrunc-v2",
    "-namespace",
    flags.namespace,
    "-id",
    flags.id,
    "-address",
    settings.containerdAddress,
    "-socket",
    settings.socketPath,
  ];
  if (settings.transport === "grpc") argv.push("-transport", "grpc");
  if (settings.debug) argv.push("-debug");
  return argv;
}

export function daemonEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  eventsAddress: string,
): string[] {
  const result = [`TTRPC_ADDRESS=${eventsAddress}`, ...engineSettings];
  for (const name of passedOn) {
    const value = env[name];
    if (value !== undefined) result.push(`${name}=${value}`);
  }
  return result;
}

/**
 * Starts the daemon in the working directory, the bundle. It is running when this returns, and its socket listens
 * already: nobody needs to wait until it is ready.
 * @throws when it cannot be executed, or its cgroup or OOM score cannot be set; nothing is running then.
 */
export async function spawnDaemon(
  native: NativeBinding,
  flags: Flags,
  settings: DaemonSettings,
): Promise<Daemon> {
  if ((process.env["SCHED_CORE"] ?? "") !== "") newCoreGroup(native);
  // set here, where the daemon inherits it: before it the kernel must not choose what it would not choose after
  raiseOwnOomScore();
  const daemon = execute(native, {
    argv: daemonArguments(flags, settings),
    env: daemonEnvironment(process.env, settings.eventsAddress),
    // nothing of ours: containerd reads what `start` prints until the last holder of the pipe has closed it
    stdio: [-1, -1, -1, settings.listener],
    keepFds: [],
    cloneFlags: 0,
    cgroupFd: -1,
    newSession: true,
  });
  try {
    if (settings.shimCgroup !== "") {
      const { joinShimCgroup } = await import("./shim-cgroup.ts");
      joinShimCgroup(settings.shimCgroup, daemon.pid);
    }
  } catch (error) {
    killDaemon(native, daemon);
    throw error;
  }
  return daemon;
}

/** Starts our own executable; when an upgrade has replaced it since, as it was. */
function execute(native: NativeBinding, options: Omit<SpawnOptions, "file">): Daemon {
  const path = process.execPath;
  try {
    try {
      return native.spawn({ ...options, file: path });
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
      return native.spawn({ ...options, file: "/proc/self/exe" });
    }
  } catch (error) {
    throw wrap(error, { op: "start the shim's daemon", path });
  }
}

const SIGKILL = 9;

export function killDaemon(native: NativeBinding, { pid, pidfd }: Daemon): void {
  native.signalPidfd(pidfd, SIGKILL);
  native.waitPid(pid, false);
}

function newCoreGroup(native: NativeBinding): void {
  try {
    native.newCoreGroup();
  } catch (error) {
    throw wrap(error, { op: "enable core scheduling" });
  }
}

const maximumOomScore = 1000;

/** A shim is killed before containerd, which is our parent. */
function raiseOwnOomScore(): void {
  const path = "/proc/self/oom_score_adj";
  try {
    const parents = Number(readFileSync(`/proc/${process.ppid}/oom_score_adj`, "latin1"));
    writeFileSync(path, String(Math.min(parents + 1, maximumOomScore)));
  } catch (error) {
    throw wrap(error, { op: "set", path });
  }
}
