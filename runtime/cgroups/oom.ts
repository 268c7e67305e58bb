/**
 * Out-of-memory notifications: v1 by an eventfd on memory.oom_control, v2 by watching
 * memory.events.
 */
import { closeSync, existsSync, readSync } from "node:fs";
import type { NativeBinding } from "../native/binding.ts";
import { numberOf } from "./freezer.ts";
import { readIfThere } from "./kernel-files.ts";
import type { OomSource } from "./manager.ts";

/**
 * The eventfd counts; it also fires once when the cgroup is removed (kernel doc
 * cgroup-v1/memory.rst section 9, 10).
 */
export function oomSourceV1(directory: string, native: NativeBinding): OomSource {
  const fd = native.cgroupEvent(directory, "memory.oom_control");
  return {
    fds: [fd],
    take() {
      const count = new BigUint64Array(1);
      if (native.poll([fd], 0).length > 0) readSync(fd, new Uint8Array(count.buffer));
      const gone = !existsSync(`${directory}/memory.oom_control`);
      return { killed: gone ? 0 : Number(count[0] ?? 0n), gone };
    },
    close() {
      closeSync(fd);
    },
  };
}

/**
 * memory.events tells of kills, cgroup.events of the last process leaving; both are inotify
 * sources.
 */
export function oomSourceV2(directory: string, native: NativeBinding): OomSource {
  const memoryEvents = `${directory}/memory.events`;
  const fds = [native.watchFile(memoryEvents)];
  let seen: number;
  try {
    fds.push(native.watchFile(`${directory}/cgroup.events`));
    seen = numberOf(readIfThere(memoryEvents), "oom_kill") ?? 0;
  } catch (error) {
    for (const fd of fds) closeSync(fd);
    throw error;
  }
  return {
    fds,
    take() {
      const buffer = new Uint8Array(4096);
      for (const fd of native.poll(fds, 0)) readSync(fd, buffer);
      const kills = numberOf(readIfThere(memoryEvents), "oom_kill") ?? seen;
      const killed = kills - seen;
      seen = kills;
      const populated = numberOf(readIfThere(`${directory}/cgroup.events`), "populated");
      return { killed, gone: populated !== 1 };
    },
    close() {
      for (const fd of fds) closeSync(fd);
    },
  };
}
