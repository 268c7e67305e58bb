/** Owns looking at host processes and cgroups through /proc and the cgroup mounts. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** Text of a file, or "" when it cannot be read (a process that has gone). */
export function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** True while the process exists and is no zombie. */
export function isAlive(pid: number): boolean {
  const state = /^State:\s+(\w)/m.exec(readOrEmpty(`/proc/${pid}/status`))?.[1];
  return state !== undefined && state !== "Z" && state !== "X";
}

export function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readOrEmpty(`/proc/${pid}/status`))?.[1] ?? -1);
}

/** The id of a process's namespace, "mnt:[4026531840]". */
export function namespaceOf(pid: number | "self", name: string): string {
  return readlinkSync(`/proc/${pid}/ns/${name}`);
}

export function allPids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

interface CgroupMount {
  /** Names in /proc/PID/cgroup: controllers, or "" for v2. */
  readonly key: string;
  readonly root: string;
  readonly path: string;
}

/** The host's cgroup hierarchies. */
export function cgroupMounts(): CgroupMount[] {
  const known = readOrEmpty("/proc/self/cgroup")
    .split("\n")
    .map((row) => row.split(":")[1] ?? "");
  const mounts: CgroupMount[] = [];
  for (const line of readOrEmpty("/proc/self/mountinfo").split("\n")) {
    const [left, right] = line.split(" - ");
    const fields = left?.split(" ") ?? [];
    const [type, , superOptions] = right?.split(" ") ?? [];
    if (type === "cgroup2") mounts.push({ key: "", root: fields[3] ?? "", path: fields[4] ?? "" });
    if (type !== "cgroup") continue;
    const options = superOptions?.split(",") ?? [];
    const key = known.find(
      (name) => name !== "" && name.split(",").every((part) => options.includes(part)),
    );
    if (key !== undefined) mounts.push({ key, root: fields[3] ?? "", path: fields[4] ?? "" });
  }
  return mounts;
}

/**
 * Directory of the process's cgroup for a controller ("memory"; any name on v2) on the host. Throws when the controller is
 * not mounted.
 */
export function cgroupDirectory(pid: number, controller: string): string {
  const rows = readFileSync(`/proc/${pid}/cgroup`, "utf8")
    .trim()
    .split("\n")
    .map((row) => row.split(":"));
  for (const mount of cgroupMounts()) {
    const row = rows.find((fields) => fields[1] === mount.key);
    if (row === undefined || (mount.key !== "" && !mount.key.split(",").includes(controller)))
      continue;
    if (mount.key === "" && rows.some((fields) => fields[1]?.split(",").includes(controller)))
      continue;
    const inside = row.slice(2).join(":");
    const relative =
      mount.root !== "/" && inside.startsWith(mount.root)
        ? inside.slice(mount.root.length)
        : inside;
    return join(mount.path, relative);
  }
  throw new Error(`no cgroup hierarchy with ${controller} is mounted`);
}

/** A file of the process's cgroup, trimmed. */
export function cgroupValue(pid: number, controller: string, file: string): string {
  return readFileSync(join(cgroupDirectory(pid, controller), file), "utf8").trim();
}

/** All cgroup directories on the host whose path contains the text. */
export function cgroupsNamed(text: string): string[] {
  const found: string[] = [];
  const visit = (directory: string) => {
    let names: string[];
    try {
      names = readdirSync(directory, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name);
    } catch {
      return; // removed while we looked
    }
    for (const name of names) {
      const path = join(directory, name);
      if (name.includes(text)) found.push(path);
      else visit(path);
    }
  };
  for (const mount of cgroupMounts()) if (existsSync(mount.path)) visit(mount.path);
  return found;
}

/** Mount points of the host whose path contains the text. */
export function mountsUnder(text: string): string[] {
  const rows = readOrEmpty("/proc/self/mountinfo").split("\n");
  return rows.map((row) => row.split(" ")[4] ?? "").filter((path) => path.includes(text));
}

/**
 * Host processes that belong to the run: by the token in their environment, by their cgroup's name, or because they see a
 * mount of the scratch tree as their root. The suite's own process and its kin do not count.
 */
export function processesOf(token: string, cgroupText: string, scratchPath: string): number[] {
  const ownMounts = namespaceOf("self", "mnt");
  return allPids().filter((pid) => {
    if (pid === process.pid || !isAlive(pid)) return false;
    if (readOrEmpty(`/proc/${pid}/environ`).split("\0").includes(token)) return true;
    if (readOrEmpty(`/proc/${pid}/cgroup`).includes(cgroupText)) return true;
    try {
      if (namespaceOf(pid, "mnt") === ownMounts) return false;
    } catch {
      return false;
    }
    return readOrEmpty(`/proc/${pid}/mountinfo`).includes(scratchPath);
  });
}

/** Command line of a process for messages. */
export function commandOf(pid: number): string {
  return (
    readOrEmpty(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim() ||
    readOrEmpty(`/proc/${pid}/comm`).trim()
  );
}
