/** Closing of fds that objects own. */
import { closeSync } from "node:fs";

/** Closes what is open; -1 is no fd. Returns -1 for the field that held it: `this.#fd = close(this.#fd)`. */
export function closeFd(fd: number): -1 {
  if (fd >= 0) closeSync(fd);
  return -1;
}
