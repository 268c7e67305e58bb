/** The state directory of a container on disk: one directory an id, files that are never half-written. */
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import type { Hook, Spec } from "../../schemas/generated/config.ts";
import { errnoOf, fail, wrap } from "../base/errors.ts";
import { parseJson, stringifyJson } from "../base/u64.ts";
import type { RdtGroup } from "../cgroups/intel-rdt.ts";
import type { CgroupMode, CgroupPaths } from "../cgroups/manager.ts";

/** What later commands need to know; everything `delete` needs is here, since config.json may be gone. */
export interface StateFile {
  /** Of this layout. */
  readonly version: 1;
  readonly id: string;
  readonly ociVersion: string;
  readonly bundle: string;
  readonly rootfs: string;
  /** RFC 3339 with nanoseconds, when create began. */
  readonly created: string;
  /** Uid of who created it. */
  readonly owner: number;
  /** `creating` until init is ready for start. */
  readonly phase: "creating" | "created";
  /** Who is creating it, so that a killed creator is noticed. */
  readonly creator: { readonly pid: number; readonly startTime: string };
  /** Init in the host's pid namespace; 0 while unknown. */
  readonly pid: number;
  readonly startTime: string;
  readonly cgroups: { readonly mode: CgroupMode; readonly paths: CgroupPaths } | undefined;
  /** CLONE_NEW* bits of the namespaces that the config names. */
  readonly namespaces: number;
  /** Without a private pid namespace killing init leaves its children. */
  readonly sharesPidNamespace: boolean;
  /** Mounts were made in the host's mount namespace and have to be undone by delete. */
  readonly sharesMountNamespace: boolean;
  readonly keyring: boolean;
  /** `start` has to bring the state for startContainer hooks. */
  readonly hasStartHooks: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Groups of linux.intelRdt, to move exec's processes to and to remove. */
  readonly rdt?: RdtGroup;
  readonly poststart?: readonly Hook[];
  readonly poststop?: readonly Hook[];
}

const stateName = "state.json";
const configName = "config.json";
/** The socket that init listens on until it is started; its presence means `created`. */
export const gateName = "start";

export function containerDir(root: string, id: string): string {
  return `${root}/${id}`;
}

/**
 * Takes an id: makes its directory, which only one of several callers can.
 * @throws AlreadyExists with runc's text.
 */
export function claimDir(root: string, id: string): string {
  const dir = containerDir(root, id);
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw wrap(error, { op: "make state root", path: root });
  }
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) === "EEXIST") {
      throw fail("AlreadyExists", `container with given ID already exists: ${id}`);
    }
    throw wrap(error, { op: "make state directory", path: dir });
  }
  return dir;
}

/**
 * Removes the directory. Out: true for the one of several callers at once that removed the state; whoever is killed
 * half-way leaves a directory that `delete --force` removes.
 */
export function removeDir(root: string, id: string): boolean {
  const dir = containerDir(root, id);
  let isFirst = true;
  try {
    unlinkSync(`${dir}/${stateName}`);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw wrap(error, { op: "remove state", path: dir });
    isFirst = false;
  }
  rmSync(dir, { recursive: true, force: true });
  return isFirst;
}

/** Replaces a file as a whole: readers see the old or the new one, a crash leaves no half. */
export function writeAtomically(path: string, text: string, mode: number): void {
  const slash = path.lastIndexOf("/") + 1;
  const temporary = `${path.slice(0, slash)}.${path.slice(slash)}.${process.pid}`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  try {
    const fd = openSync(temporary, flags, mode);
    try {
      writeFileSync(fd, text); // loops: a full disk must not pass for a short file
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    try {
      rmSync(temporary, { force: true });
    } catch {
      // on a read-only file system this fails as well; the first failure is the one to tell
    }
    throw wrap(error, { op: "write", path });
  }
}

export function saveState(root: string, state: StateFile): void {
  writeAtomically(`${containerDir(root, state.id)}/${stateName}`, JSON.stringify(state), 0o600);
}

/** Keeps the config as it is now: later edits of the bundle have no effect (runtime-spec, lifecycle). */
export function freezeConfig(root: string, id: string, spec: Spec): void {
  const path = frozenConfig(root, id);
  try {
    writeFileSync(path, stringifyJson(spec), { mode: 0o600 });
  } catch (error) {
    throw wrap(error, { op: "freeze config", path });
  }
}

/** The config that create has checked; it lies in a directory of ours, so it is not checked again. */
export function loadFrozenConfig(root: string, id: string): Spec {
  const path = frozenConfig(root, id);
  try {
    return parseJson(readFileSync(path, "utf8")) as Spec;
  } catch (error) {
    throw wrap(error, { op: "read frozen config", path });
  }
}

function frozenConfig(root: string, id: string): string {
  return `${containerDir(root, id)}/${configName}`;
}

/**
 * Reads a container's state.
 * @throws NotFound with runc's text, which callers look for.
 */
export function loadState(root: string, id: string): StateFile {
  const path = `${containerDir(root, id)}/${stateName}`;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") {
      throw fail("NotFound", "container does not exist", { path: containerDir(root, id) });
    }
    throw wrap(error, { op: "read state", path });
  }
  try {
    const state = JSON.parse(text) as StateFile;
    if (state.version === 1) return state;
    throw fail("FailedPrecondition", `state version ${state.version} is of another release`);
  } catch (error) {
    throw wrap(error, { op: "read state", path, hint: "delete --force removes the container" });
  }
}

/** Is there a directory for this id, even one without a readable state (a creator that was killed)? */
export function hasDir(root: string, id: string): boolean {
  const path = containerDir(root, id);
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch (error) {
    throw wrap(error, { op: "look for state", path });
  }
}

/** Ids with a state directory, sorted. In: whether a missing root is an error (the user named it). */
export function listIds(root: string, mustExist: boolean): string[] {
  try {
    return readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if (errnoOf(error) === "ENOENT" && !mustExist) return [];
    throw wrap(error, { op: "read state root", path: root });
  }
}

/** Has init not been started yet? */
export function gateExists(root: string, id: string): boolean {
  const path = `${containerDir(root, id)}/${gateName}`;
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** From here on the container counts as started. */
export function removeGate(root: string, id: string): void {
  try {
    unlinkSync(`${containerDir(root, id)}/${gateName}`);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw wrap(error, { op: "remove start socket" });
  }
}
