/** Stopping and resuming all processes of a cgroup: v1 freezer.state and v2 cgroup.freeze. */
import { errnoOf, fail } from "../base/errors.ts";
import { readIfThere, readKernelFile, writeKernelFile } from "./kernel-files.ts";
import type { CgroupMode, CgroupPaths } from "./manager.ts";

/**
 * An attempt to freeze a v1 freezer cgroup. A v1 freezer may stay in FREEZING while processes keep appearing;
 * repeated writes, and a thaw now and then, get it over with (kernel doc freezer-subsystem.rst;
 * attempts as in runc). Throws Unavailable when it still does not settle, thawed again.
 */
export function stepFreezeV1(directory: string, attempt: number): number | undefined {
  const path = `${directory}/freezer.state`;
  try {
    if (attempt < 1000) {
      writeKernelFile(path, "FROZEN");
      if (readKernelFile(path) === "FROZEN") return undefined;
      // A process has to get a processor to freeze: on a busy machine we had better leave it ours.
      if (attempt % 50 !== 49) return attempt < 25 ? 0 : 1;
      writeKernelFile(path, "THAWED");
      return 10;
    }
  } catch (error) {
    thawQuietly(path);
    throw error;
  }
  thawQuietly(path);
  throw fail("Unavailable", "unable to freeze", { path });
}

function thawQuietly(path: string): void {
  try {
    writeKernelFile(path, "THAWED");
  } catch {}
}

/** Fine when there is no such cgroup, which a killed create may not have come to: then nothing is frozen. */
export function thawV1(directory: string): void {
  thawFile(`${directory}/freezer.state`, "THAWED");
}

function thawFile(path: string, value: string): void {
  try {
    writeKernelFile(path, value);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

/**
 * Is the cgroup itself frozen (not merely below a frozen one), or on the way to it? Waiting for the end of that way
 * could take for ever.
 */
export function isFrozenV1(directory: string): boolean {
  const state = readIfThere(`${directory}/freezer.state`);
  if (state === undefined || state === "THAWED") return false;
  return readIfThere(`${directory}/freezer.self_freezing`) !== "0";
}

/** Is the container with these cgroups frozen? */
export function isFrozen(mode: CgroupMode, paths: CgroupPaths): boolean {
  const directory = paths[mode === "v2" ? "" : "freezer"];
  if (directory === undefined) return false;
  return mode === "v2" ? isFrozenV2(directory) : isFrozenV1(directory);
}

/** Attempts, 10 ms apart, that a v2 freeze may take: processes in uninterruptible sleep delay it. */
const freezeAttempts = 1000;

/** An attempt to freeze a v2 cgroup. Throws DeadlineExceeded after 10 s, thawed again. */
export function stepFreezeV2(directory: string, attempt: number): number | undefined {
  const path = `${directory}/cgroup.freeze`;
  if (attempt === 0) askToFreezeV2(path);
  if (eventOf(directory, "frozen") === 1) return undefined;
  if (attempt < freezeAttempts) return Math.min(0.25 * 2 ** attempt, 10);
  thawV2(directory);
  throw fail("DeadlineExceeded", "timeout of 10 s reached waiting for the cgroup to freeze", {
    path,
  });
}

function askToFreezeV2(path: string): void {
  try {
    writeKernelFile(path, "1");
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    throw fail("Unimplemented", "freezer not supported", { path, hint: "needs Linux 5.2" });
  }
}

export function thawV2(directory: string): void {
  thawFile(`${directory}/cgroup.freeze`, "0");
}

/** Is a freeze of this cgroup itself asked for and reached? */
export function isFrozenV2(directory: string): boolean {
  return readIfThere(`${directory}/cgroup.freeze`) === "1" && eventOf(directory, "frozen") === 1;
}

/** A number from cgroup.events (`populated`, `frozen`), or undefined when the cgroup is gone. */
export function eventOf(directory: string, key: string): number | undefined {
  return numberOf(readIfThere(`${directory}/cgroup.events`), key);
}

/** The number behind a key in `key number` lines. */
export function numberOf(text: string | undefined, key: string): number | undefined {
  for (const line of text?.split("\n") ?? []) {
    if (line.startsWith(`${key} `)) return Number(line.slice(key.length + 1));
  }
  return undefined;
}
