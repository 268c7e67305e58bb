/** Fds that live as long as one piece of work: the shim is one process for years, so none may be forgotten. */
import { closeSync } from "node:fs";

/** Notes an fd to be closed; returns it. -1 (none) is fine. */
export type OwnFd = (fd: number) => number;

/** Runs the work and closes every fd that it has noted, whether it succeeds or throws. */
export function withFds<T>(work: (own: OwnFd) => T): T {
  const fds: number[] = [];
  try {
    return work((fd) => {
      if (fd >= 0) fds.push(fd);
      return fd;
    });
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}
