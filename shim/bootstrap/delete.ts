/**
 * `delete`: what is left of a container is removed, from what is on disk: its shim may be dead. containerd also runs it
 * at the end of each container that went as it should, when everything has gone already; that is the way to keep short.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { describe, errnoOf } from "../../runtime/base/errors.ts";
import { writeErr } from "../../runtime/base/stdio.ts";
import { openAddon } from "../../runtime/native/binding.ts";
import { encodeDeleteResponse } from "../../schemas/generated/proto/task-delete.ts";
import { writeAnswer } from "./answer.ts";
import { checkTarget, type Flags } from "./flags.ts";
import { stateRoot } from "./options.ts";
import { removeDeadSocket } from "./socket.ts";

/** 128 + SIGKILL: how a container without a shim has ended, as far as anybody knows. */
const exitStatus = 137;

/** Must not follow a link that has taken the mount's place. */
const UMOUNT_NOFOLLOW = 8;

/**
 * Removes a container of the directory that the working directory is in, and prints containerd's DeleteResponse.
 * Whatever cannot be removed is a warning on standard error: containerd keeps a bundle for ever when this fails.
 * @returns the exit status.
 */
export async function remove(flags: Flags): Promise<number> {
  checkTarget(flags);
  const bundle = bundleOf(flags);
  // it goes with the container
  const pid = initPid(bundle);
  const root = stateRoot({ root: rootOption(bundle) }, flags.namespace);
  const isThere = existsSync(`${root}/${flags.id}`);
  const isMounted = await warning(() => hasMounts(`${bundle}/rootfs`, bundle));
  if (isThere || isMounted === true) {
    const { removeLeftovers } = await import("./leftovers.ts");
    await removeLeftovers({ root, id: flags.id, rootfs: `${bundle}/rootfs` }, warn);
  }
  await warning(() => removeSocketOf(bundle));
  const now = Date.now();
  const exitedAt = { seconds: Math.floor(now / 1000), nanos: (now % 1000) * 1e6 };
  writeAnswer(encodeDeleteResponse({ pid, exitStatus, exitedAt }));
  return 0;
}

function warn(text: string): void {
  writeErr(`${text}\n`);
}

async function warning<T>(action: () => T): Promise<T | undefined> {
  try {
    return action();
  } catch (error) {
    warn(describe(error));
    return undefined;
  }
}

/** The bundle lies beside the one that we were started in. */
function bundleOf({ bundle, id }: Flags): string {
  const cwd = bundle === "" ? process.cwd() : bundle;
  return `${cwd.slice(0, cwd.lastIndexOf("/"))}/${id}`;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== "ENOENT" && errno !== "ENOTDIR") warn(describe(error));
    return undefined;
  }
}

/** 0 for a container that never had a process. */
function initPid(bundle: string): number {
  const pid = Number(readIfThere(`${bundle}/init.pid`) ?? 0);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : 0;
}

/** The option Root that Create has noted; empty for the default. */
function rootOption(bundle: string): string {
  const text = readIfThere(`${bundle}/options.json`);
  if (text === undefined) return "";
  try {
    const { root } = JSON.parse(text) as { root?: unknown };
    return typeof root === "string" ? root : "";
  } catch (error) {
    warn(`${bundle}/options.json: ${describe(error)}`);
    return "";
  }
}

/** May something be mounted on the root file system? Answered without reading mountinfo, which is long on busy hosts. */
function hasMounts(rootfs: string, bundle: string): boolean {
  const own = statSync(rootfs, { throwIfNoEntry: false });
  if (own === undefined) return false;
  if (own.dev !== statSync(bundle)?.dev || readdirSync(rootfs).length > 0) return true;
  // what is left is an empty directory of the same file system, which this takes away if it is bound there
  try {
    openAddon().unmount(rootfs, UMOUNT_NOFOLLOW);
    return true;
  } catch (error) {
    return errnoOf(error) !== "EINVAL";
  }
}

/** A shim that was killed has left its socket; that of one that lives stays, as do files that `start` has not named. */
function removeSocketOf(bundle: string): void {
  const address = readIfThere(`${bundle}/address`) ?? "";
  const path = address.startsWith("unix://") ? address.slice("unix://".length) : address;
  if (!/^\/.*\/[0-9a-f]{64}$/.test(path) || !existsSync(path)) return;
  removeDeadSocket(openAddon(), path);
}
