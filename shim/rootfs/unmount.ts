/** Unmounts a container's root file system with all that is mounted below it. */
import { readdirSync, readFileSync } from "node:fs";
import { errnoOf, wrap } from "../../runtime/base/errors.ts";
import { parseMountPoints } from "../../runtime/host/mounts.ts";
import { type MountEnvironment, outcome } from "./environment.ts";
import { findProgram, runProgram } from "./mount-helper.ts";

const MNT_DETACH = 2;

/** As containerd, 50 times: somebody may be looking into it (a scanner, a container that was just killed). */
const usualPatienceMs = 2500;
/** The longest pause between attempts; they start short, for a program that is just being spawned with our fds. */
const longestPauseMs = 50;

/**
 * Unmounts `rootfs` and what is below it, however often it was mounted over; deepest first. Does nothing when nothing
 * is mounted or there is no such directory. A busy one is tried again for a while and then detached: it goes when its
 * last user has.
 * @throws RuntimeError for failures that waiting does not help.
 */
export async function unmountRootfs(env: MountEnvironment, rootfs: string): Promise<void> {
  await insist(env, rootfs, (flags) => unmountTree(env, rootfs, flags));
}

/** Takes back one mount on `below`, a path inside `rootfs` without links; as persistent as unmountRootfs. */
export async function unmountPoint(
  env: MountEnvironment,
  rootfs: string,
  below: string,
): Promise<void> {
  await insist(env, `${rootfs}/${below}`, async (flags) => {
    const { busy } = await unmountAt(env, rootfs, below, flags, false);
    return busy;
  });
}

/** @param unmount returns why it could not be done yet. */
async function insist(
  env: MountEnvironment,
  path: string,
  unmount: (flags: number) => Promise<unknown>,
): Promise<void> {
  const patience = env.patienceMs ?? usualPatienceMs;
  let pauseMs = 1;
  for (let waited = 0; ; waited += pauseMs) {
    const busy = await unmount(0);
    if (busy === undefined) return;
    if (waited >= patience) break;
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    await env.waiter.wait([], pauseMs);
  }
  env.log.warn(`${path} is still busy after ${patience} ms, it is detached`);
  const left = await unmount(MNT_DETACH);
  if (left !== undefined) throw wrap(left, { op: "unmount", path });
}

interface Unmounted {
  /** How many mounts are gone. */
  readonly gone: number;
  /** Why no more of them went. */
  readonly busy: unknown;
}

/** One round over everything; repeated as long as it gets somewhere. Returns what is busy. */
async function unmountTree(env: MountEnvironment, rootfs: string, flags: number): Promise<unknown> {
  for (;;) {
    // Nearly always all there is. It also fails where something is mounted below, and reading mountinfo takes long
    // on a host with many containers.
    const root = await unmountAt(env, rootfs, "", flags, true);
    if (root.busy === undefined && isEmpty(rootfs)) return undefined;
    const below = await unmountBelow(env, rootfs, flags);
    if (below.gone + root.gone === 0) return root.busy ?? below.busy;
  }
}

async function unmountBelow(
  env: MountEnvironment,
  rootfs: string,
  flags: number,
): Promise<Unmounted> {
  let gone = 0;
  let busy: unknown;
  for (const point of pointsBelow(env, rootfs)) {
    const one = await unmountAt(env, rootfs, point, flags, true);
    gone += one.gone;
    busy ??= one.busy;
  }
  return { gone, busy };
}

/** Paths inside the root file system, deepest first; what is hidden under another mount comes up in the next round. */
function pointsBelow(env: MountEnvironment, rootfs: string): string[] {
  const root = env.native.mounts.resolve(rootfs, "");
  const points = parseMountPoints(readFileSync("/proc/self/mountinfo", "latin1"))
    .filter((point) => point.startsWith(`${root}/`))
    .map((point) => point.slice(root.length + 1));
  return [...new Set(points)].sort((a, b) => b.length - a.length);
}

/** Without entries a directory holds no mount points. */
function isEmpty(directory: string): boolean {
  try {
    return readdirSync(directory).length === 0;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") return true;
    throw wrap(error, { op: "read", path: directory });
  }
}

async function unmountAt(
  env: MountEnvironment,
  rootfs: string,
  below: string,
  flags: number,
  all: boolean,
): Promise<Unmounted> {
  try {
    return {
      gone: await outcome(env, env.native.mounts.unmount(rootfs, below, flags, all)),
      busy: undefined,
    };
  } catch (error) {
    const errno = errnoOf(error);
    // hidden, or gone with another mount
    if (errno === "ENOENT" || errno === "ENOTDIR" || errno === "ELOOP") return none;
    if (errno === "EBUSY") return { gone: 0, busy: error };
    const path = below === "" ? rootfs : `${rootfs}/${below}`;
    if (errno === "EPERM" && (await unmountFuse(env, path))) return { gone: 1, busy: undefined };
    throw wrap(error, { op: "unmount", path });
  }
}

const none: Unmounted = { gone: 0, busy: undefined };

/** Who may not unmount may still unmount his own FUSE file systems, with help. */
async function unmountFuse(env: MountEnvironment, path: string): Promise<boolean> {
  const program = findProgram(["fusermount3", "fusermount"]);
  if (program === undefined) return false;
  const { status } = await runProgram(env, program, ["-u", path]);
  return status === 0;
}
