/**
 * The socket of a group of containers: who makes it, who joins, and who removes it.
 *
 * A socket file outlives its process, so that whoever finds one has to look whether somebody listens, and between the
 * look and what follows another start or end may come. All of it therefore happens under a lock on the directory.
 */
import { closeSync, constants, fstatSync, mkdirSync, openSync, unlinkSync } from "node:fs";
import { errnoOf, fail, wrap } from "../../runtime/base/errors.ts";
import type { NativeBinding } from "../../runtime/native/binding.ts";

/** Holders of the lock make a few system calls; one that was stopped in the middle must not stop all others. */
const lockTimeoutMs = 2000;

const SHARED_WRITE = 0o022;

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** Sleeps without an event loop. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Runs an action while nobody else starts or removes a socket in the directory, which has to be there. */
function withLock<T>(native: NativeBinding, dir: string, action: (dirFd: number) => T): T {
  const { O_RDONLY, O_DIRECTORY } = constants;
  const fd = openSync(dir, O_RDONLY | O_DIRECTORY);
  try {
    for (let waited = 0; !native.tryLock(fd); waited++) {
      if (waited >= lockTimeoutMs) {
        throw fail("DeadlineExceeded", `directory ${dir} is locked by another process`);
      }
      pause(1);
    }
    return action(fd);
  } finally {
    closeSync(fd);
  }
}

/** Somebody else's directory, or one that others may write to, could have sockets in it that are not containerd's. */
function checkOwner(dirFd: number, dir: string): void {
  const { uid, mode } = fstatSync(dirFd);
  if (uid !== process.geteuid?.() || (mode & SHARED_WRITE) !== 0) {
    throw fail("PermissionDenied", `socket directory ${dir} is not ours alone`);
  }
}

/**
 * Listens on a socket, or finds somebody who does.
 * @returns the listening fd, undefined when there is a shim to join.
 */
export function listenOrJoin(native: NativeBinding, path: string): number | undefined {
  const dir = directoryOf(path);
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    return withLock(native, dir, (dirFd) => {
      checkOwner(dirFd, dir);
      return listen(native, path) ?? replaceDead(native, path);
    });
  } catch (error) {
    throw wrap(error, { op: "listen on", path });
  }
}

/** Undefined when there is a socket already. */
function listen(native: NativeBinding, path: string): number | undefined {
  try {
    return native.listenStream(path);
  } catch (error) {
    if (errnoOf(error) === "EADDRINUSE") return undefined;
    throw error;
  }
}

function replaceDead(native: NativeBinding, path: string): number | undefined {
  if (native.isListening(path)) return undefined;
  unlinkSync(path);
  return native.listenStream(path);
}

/** Removes the socket of a shim that has died; one that somebody listens on stays. Fine when there is none. */
export function removeDeadSocket(native: NativeBinding, path: string): void {
  removeSocket(native, path, () => !native.isListening(path));
}

/**
 * Removes our own socket unless somebody has just come: whoever looks for a shim to join connects, under the same lock.
 * Out: false when it stays.
 */
export function releaseUnwantedSocket(
  native: NativeBinding,
  path: string,
  listener: number,
): boolean {
  let unwanted = false;
  removeSocket(native, path, () => {
    unwanted = native.poll([listener], 0).length === 0;
    return unwanted;
  });
  return unwanted;
}

/**
 * Removes our own socket, before its listener is closed: whoever comes from now on starts another shim.
 * Fine when it has gone.
 */
export function releaseSocket(native: NativeBinding, path: string): void {
  removeSocket(native, path, () => true);
}

function removeSocket(native: NativeBinding, path: string, mayGo: () => boolean): void {
  try {
    withLock(native, directoryOf(path), () => {
      if (mayGo()) unlinkSync(path);
    });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== "ENOENT" && errno !== "ENOTDIR") throw wrap(error, { op: "remove", path });
  }
}
