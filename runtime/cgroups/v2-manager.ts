/** The cgroup of a container on the unified hierarchy. */
import { chownSync, closeSync, constants, existsSync, openSync } from "node:fs";
import type { LinuxResources } from "../../schemas/generated/config.ts";
import { errnoOf, fail, wrap } from "../base/errors.ts";
import { cgroupHost, membershipsOf } from "../host/cgroup-mode.ts";
import { applyLimits } from "./apply-limits.ts";
import { deviceProgram } from "./device-program.ts";
import { type DeviceState, deviceState } from "./device-rules.ts";
import { isFrozenV2, stepFreezeV2, thawV2 } from "./freezer.ts";
import { readIfThere, readKernelFile, writeKernelFile } from "./kernel-files.ts";
import type { CgroupManager, CgroupPaths, JoinPlace, OomSource } from "./manager.ts";
import {
  type ManagerOptions,
  mayLackDeviceRules,
  signalPids,
  tolerable,
} from "./manager-common.ts";
import { oomSourceV2 } from "./oom.ts";
import { placeExec } from "./place.ts";
import { isSet, type LimitPlan } from "./resources.ts";
import { makeCgroup, pidsBelow, removeCgroup, unmake } from "./tree.ts";
import { type V2Current, v2Limits } from "./v2-resources.ts";

export interface V2Options extends ManagerOptions {
  /** Where the hierarchy is mounted; needed by `create` only. */
  readonly root: string;
  /** Host uid that shall own the cgroup. */
  readonly owner?: number;
}

export class V2Manager implements CgroupManager {
  readonly mode = "v2";
  paths: CgroupPaths;
  readonly #options: V2Options;

  constructor(paths: CgroupPaths, options: V2Options) {
    this.paths = paths;
    this.#options = options;
  }

  create(resources: LinuxResources = {}): readonly string[] {
    const limits = v2Limits(resources);
    const devices = deviceState(resources.devices);
    const directory = this.#directory();
    const made: string[] = [];
    let isNew = false;
    try {
      try {
        isNew = makeCgroup(directory, made);
      } catch (error) {
        if (!tolerable(error, this.#options)) throw error;
        return this.#withoutCgroup(limits, error);
      }
      if (!isNew) this.#refuseUsed(directory);
      this.#enableControllers(directory, limits);
      const warnings = applyLimits(limits, () => directory, false);
      this.#setDevices(directory, devices, isNew);
      if (this.#options.owner !== undefined) delegate(directory, this.#options.owner);
      return warnings;
    } catch (error) {
      unmake(made);
      throw error;
    }
  }

  #withoutCgroup(limits: LimitPlan, error: unknown): readonly string[] {
    const wanted = limits.writes[0];
    if (wanted !== undefined) {
      throw wrap(error, {
        op: `cannot set ${wanted.field}`,
        hint: "rootless needs no limits and no cgroupsPath when no permission is granted for cgroups",
      });
    }
    this.paths = {};
    return limits.warnings;
  }

  #refuseUsed(directory: string): void {
    const count = pidsBelow(directory).length;
    if (count > 0) {
      throw fail(
        "FailedPrecondition",
        `container's cgroup is not empty: ${count} process(es) found`,
        {
          path: directory,
        },
      );
    }
    if (readIfThere(`${directory}/cgroup.freeze`) === "1") {
      throw fail("FailedPrecondition", "container's cgroup unexpectedly frozen", {
        path: directory,
      });
    }
  }

  /**
   * Makes all controllers of the host available in the cgroup. cgroup.subtree_control is written
   * only where something is missing: the write takes the lock that stalls every fork.
   */
  #enableControllers(directory: string, limits: LimitPlan): void {
    const { root } = this.#options;
    const wanted = words(readKernelFile(`${root}/cgroup.controllers`));
    if (missing(wanted, `${directory}/cgroup.controllers`).length === 0) return;
    const parts = directory.slice(root.length + 1).split("/");
    let parent = root;
    for (const part of parts) {
      const absent = missing(wanted, `${parent}/cgroup.subtree_control`);
      const available = words(readIfThere(`${parent}/cgroup.controllers`) ?? "");
      enable(
        parent,
        absent.filter((controller) => available.includes(controller)),
      );
      parent += `/${part}`;
    }
    this.#checkType(directory, limits);
  }

  /**
   * Below a cgroup with processes a domain is invalid; as a threaded cgroup it still serves cpu,
   * cpuset and pids.
   */
  #checkType(directory: string, limits: LimitPlan): void {
    const type = readIfThere(`${directory}/cgroup.type`);
    if (type === undefined || type === "domain") return;
    const threaded = ["cpu", "cpuset", "pids", "perf_event"];
    const domain = limits.writes.find((write) => !threaded.includes(write.controller));
    if (domain !== undefined) {
      throw fail(
        "FailedPrecondition",
        `cannot set ${domain.field}: cgroup ${directory} cannot have domain controllers, it is "${type}"`,
        { path: directory, hint: "a cgroup above holds processes; choose another cgroupsPath" },
      );
    }
    if (type === "domain invalid") writeKernelFile(`${directory}/cgroup.type`, "threaded");
  }

  #setDevices(directory: string, wanted: DeviceState, isNew: boolean): void {
    // A new cgroup has no program: everything is allowed already.
    if (isNew && wanted.defaultAllow && wanted.exceptions.length === 0) return;
    const fd = openDirectory(directory);
    try {
      this.#options.native().setDeviceProgram(fd, deviceProgram(wanted));
    } catch (error) {
      if (mayLackDeviceRules(error, this.#options)) return;
      throw wrap(error, { op: "set device program of cgroup", path: directory });
    } finally {
      closeSync(fd);
    }
  }

  joinFds(): number[] {
    return [];
  }

  joinDirFd(place: JoinPlace = {}): number {
    const recorded = this.paths[""];
    if (recorded === undefined) return -1;
    const subgroups = place.subgroups ?? [];
    if (subgroups.length > 0)
      return openDirectory(placeExec(this.paths, subgroups)[""] ?? recorded);
    if (place.initPid !== undefined && readIfThere(`${recorded}/cgroup.subtree_control`) !== "") {
      return openDirectory(presentDirectory(recorded, place.initPid) ?? recorded);
    }
    return openDirectory(recorded);
  }

  update(resources: LinuxResources): readonly string[] {
    const directory = this.#directory();
    checkMemory(directory, resources);
    const limits = v2Limits(resources, current(directory, resources));
    return applyLimits(limits, () => directory, true);
  }

  stepFreeze(attempt: number): number | undefined {
    return stepFreezeV2(this.#directory(), attempt);
  }

  thaw(): void {
    thawV2(this.#directory());
  }

  isFrozen(): boolean {
    const directory = this.paths[""];
    return directory !== undefined && isFrozenV2(directory);
  }

  pids(): number[] {
    const directory = this.paths[""];
    return directory === undefined ? [] : pidsBelow(directory);
  }

  signalAll(signal: number): void {
    const directory = this.paths[""];
    if (directory === undefined) return;
    if (signal === 9) {
      try {
        // Linux 5.14; reaches frozen and forking processes alike.
        writeKernelFile(`${directory}/cgroup.kill`, "1");
        return;
      } catch (error) {
        const errno = errnoOf(error);
        if (errno === "ENODEV" || !existsSync(directory)) return;
        if (errno !== "ENOENT" && errno !== "EOPNOTSUPP") throw error;
      }
    }
    const wasFrozen = this.isFrozen();
    const thaw = signal === 9 || !wasFrozen;
    signalPids(this, signal, this.#options.native(), { freeze: !wasFrozen, thaw });
  }

  oomEvents(): OomSource {
    return oomSourceV2(this.#directory(), this.#options.native());
  }

  exists(): boolean {
    const directory = this.paths[""];
    return directory !== undefined && existsSync(directory);
  }

  tryRemove(): boolean {
    const directory = this.paths[""];
    return directory === undefined || removeCgroup(directory);
  }

  #directory(): string {
    const directory = this.paths[""];
    if (directory !== undefined) return directory;
    throw fail("FailedPrecondition", "container has no cgroup");
  }
}

function words(text: string): string[] {
  return text.split(" ").filter((word) => word !== "");
}

/** Those of `wanted` which a file of controller names lacks. */
function missing(wanted: readonly string[], path: string): string[] {
  const there = words(readIfThere(path) ?? "");
  return wanted.filter((controller) => !there.includes(controller));
}

/** Enables controllers for the children of a cgroup, one by one when not all are possible. */
function enable(directory: string, controllers: readonly string[]): void {
  if (controllers.length === 0) return;
  const path = `${directory}/cgroup.subtree_control`;
  try {
    writeKernelFile(path, controllers.map((controller) => `+${controller}`).join(" "));
    return;
  } catch {}
  for (const controller of controllers) {
    try {
      writeKernelFile(path, `+${controller}`);
    } catch {
      // Not ours to delegate; a limit which needs it will say so.
    }
  }
}

function openDirectory(directory: string): number {
  try {
    return openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw wrap(error, { op: "open cgroup", path: directory });
  }
}

/**
 * The cgroup below `recorded` that init has moved itself to, or undefined when it is somewhere
 * else. A cgroup which gives domain controllers to its children cannot hold processes itself.
 */
function presentDirectory(recorded: string, pid: number): string | undefined {
  const path = membershipsOf(pid).find((m) => m.controllers[0] === "")?.path ?? "";
  const mount = cgroupHost().hierarchies.find((h) => h.controllers[0] === "")?.mountPoint;
  if (mount === undefined) return undefined;
  const directory = mount + path;
  return directory.startsWith(`${recorded}/`) && !path.includes("/..") ? directory : undefined;
}

/** What a partial update has to be completed with. */
function current(directory: string, resources: LinuxResources): V2Current {
  const { memory, cpu } = resources;
  const memoryMax =
    isSet(memory?.swap) && !isSet(memory?.limit)
      ? readIfThere(`${directory}/memory.max`)
      : undefined;
  const cpuMax =
    isSet(cpu?.period) && !isSet(cpu?.quota) ? readIfThere(`${directory}/cpu.max`) : undefined;
  return {
    ...(memoryMax === undefined ? {} : { memoryMax }),
    ...(cpuMax === undefined ? {} : { cpuMax }),
  };
}

/** memory.checkBeforeUpdate: v2 would rather kill than refuse a limit below the usage. */
function checkMemory(directory: string, { memory }: LinuxResources): void {
  if (memory?.checkBeforeUpdate !== true) return;
  const usage = readIfThere(`${directory}/memory.current`);
  if (usage === undefined) return;
  for (const [what, limit] of [
    ["memory+swap", memory.swap],
    ["memory", memory.limit],
  ] as const) {
    if (isSet(limit) && limit > 0 && limit <= BigInt(usage)) {
      throw fail("FailedPrecondition", `rejecting ${what} limit ${limit} <= usage ${usage}`);
    }
  }
}

/**
 * Gives the cgroup to a user: the directory and the files that the kernel lists as safe to
 * delegate.
 */
function delegate(directory: string, owner: number): void {
  const listed = readIfThere("/sys/kernel/cgroup/delegate");
  const files = listed?.split("\n") ?? ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];
  try {
    chownSync(directory, owner, -1);
  } catch (error) {
    throw wrap(error, { op: "give cgroup to its owner", path: directory });
  }
  for (const file of files) {
    try {
      chownSync(`${directory}/${file}`, owner, -1);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") continue;
      throw wrap(error, { op: "give cgroup file to its owner", path: `${directory}/${file}` });
    }
  }
}
