/** --pid-file: digits only, no newline, there as a whole or not at all (containerd reads it with strconv.Atoi). */
import { writeAtomically } from "./store.ts";

export function writePidFile(path: string, pid: number): void {
  writeAtomically(path, String(pid), 0o644);
}
