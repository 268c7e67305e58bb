/** Intel RDT (and AMD QoS): a container's class of service and monitoring group in the resctrl file system. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import type { IntelRdt } from "../../schemas/generated/config.ts";
import { errnoOf, fail, wrap } from "../base/errors.ts";

/** A container's groups; kept in its state, since delete has to find them. */
export interface RdtGroup {
  /** Class of service: a directory of the resctrl file system, or its root. */
  readonly directory: string;
  /** The class is the container's alone, so it ends with it. */
  readonly own: boolean;
  /** Monitoring group below the class. */
  readonly monitoring?: string;
}

/**
 * Works out the groups without touching anything. In: the text of mountinfo. `closID` names a class that others may
 * share, `/` the default one; without it the container gets one of its own (config-linux.md, IntelRdt).
 * Throws FailedPrecondition where resctrl is not mounted or a class that only is to be joined does not exist.
 */
export function rdtGroup(config: IntelRdt, id: string, mountinfo = readMountinfo()): RdtGroup {
  const root = resctrlMount(mountinfo);
  if (root === undefined) {
    throw fail(
      "FailedPrecondition",
      "intelRdt is specified in config, but Intel RDT is not supported or resctrl is not mounted",
      { hint: "mount -t resctrl resctrl /sys/fs/resctrl" },
    );
  }
  const { closID = "" } = config;
  const directory = closID === "/" ? root : `${root}/${closID === "" ? id : closID}`;
  if (closID !== "" && schemataOf(config) === "" && !existsSync(directory)) {
    throw fail(
      "FailedPrecondition",
      `intelRdt.closID "${closID}" does not exist, and there is no schemata to make it with`,
    );
  }
  return {
    directory,
    own: closID === "",
    ...(config.enableMonitoring === true ? { monitoring: `${directory}/mon_groups/${id}` } : {}),
  };
}

/** Makes what is missing and writes the schemata. */
export function makeRdtGroup(group: RdtGroup, config: IntelRdt): void {
  makeDirectory(group.directory);
  const schemata = schemataOf(config);
  if (schemata !== "") write(`${group.directory}/schemata`, schemata);
  if (group.monitoring !== undefined) makeDirectory(group.monitoring);
}

/** The class first: the kernel takes a task out of its monitoring group when that changes. */
export function joinRdtGroup(group: RdtGroup, pid: number): void {
  for (const directory of [group.directory, group.monitoring]) {
    if (directory === undefined) continue;
    const path = `${directory}/tasks`;
    try {
      appendFileSync(path, String(pid));
    } catch (error) {
      throw wrap(error, { op: `move process ${pid} to RDT group`, path });
    }
  }
}

/** Fine when it is gone. A class of service that others share stays. */
export function removeRdtGroup({ directory, own, monitoring }: RdtGroup): void {
  if (monitoring !== undefined) removeDirectory(monitoring);
  if (own) removeDirectory(directory);
}

/** Lines for the schemata file. Bandwidth is `memBwSchema`'s: `MB:` lines of the cache's schema are left out, as runc does. */
export function schemataOf({
  l3CacheSchema = "",
  memBwSchema = "",
  schemata = [],
}: IntelRdt): string {
  const cache = l3CacheSchema.split("\n").filter((line) => !line.trim().startsWith("MB:"));
  const lines = [...cache, ...memBwSchema.split("\n"), ...schemata].filter((line) => line !== "");
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

function resctrlMount(mountinfo: string): string | undefined {
  const line = mountinfo.split("\n").find((entry) => entry.includes(" - resctrl "));
  return line?.split(" ")[4];
}

function readMountinfo(): string {
  return readFileSync("/proc/self/mountinfo", "utf8");
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o755 });
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return;
    throw wrap(error, { op: "make RDT group", path });
  }
}

function removeDirectory(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw wrap(error, { op: "remove RDT group", path });
  }
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw wrap(error, { op: "write", path });
  }
}
