/** The cgroups of a container on v1 and hybrid hosts: one directory in each hierarchy. */
import { closeSync, constants, existsSync, openSync } from "node:fs";
import type { LinuxResources } from "../../schemas/generated/config.ts";
import { errnoOf, fail, wrap } from "../base/errors.ts";
import { cgroupHost, membershipsOf, ownDirectory } from "../host/cgroup-mode.ts";
import { applyLimits } from "./apply-limits.ts";
import { type DeviceState, deviceState, deviceWrites, parseDevicesList } from "./device-rules.ts";
import { isFrozenV1, stepFreezeV1, thawV1 } from "./freezer.ts";
import { readKernelFile, writeKernelFile, writeLines } from "./kernel-files.ts";
import type { CgroupManager, CgroupPaths, JoinPlace, OomSource } from "./manager.ts";
import {
  type ManagerOptions,
  mayLackDeviceRules,
  signalPids,
  tolerable,
} from "./manager-common.ts";
import { oomSourceV1 } from "./oom.ts";
import { placeExec } from "./place.ts";
import { inheritCpuset, makeCgroup, pidsBelow, removeCgroup, unmake } from "./tree.ts";
import { v1Limits } from "./v1-resources.ts";

/**
 * Hierarchies that exist for bookkeeping only: a container can live without being in them (as in
 * runc).
 */
const dispensable: readonly string[] = ["name=systemd", "misc", ""];

export class V1Manager implements CgroupManager {
  readonly mode = "v1";
  paths: CgroupPaths;
  readonly #options: ManagerOptions;

  constructor(paths: CgroupPaths, options: ManagerOptions) {
    this.paths = paths;
    this.#options = options;
  }

  create(resources: LinuxResources = {}): readonly string[] {
    const limits = v1Limits(resources);
    const devices = deviceState(resources.devices);
    if (this.paths["devices"] === undefined && !this.#options.rootless) {
      throw fail("FailedPrecondition", "the devices cgroup controller is not mounted", {
        hint: "without it a container could open any device",
      });
    }
    const made: string[] = [];
    try {
      const existing = this.#makeDirectories(made);
      if (existing.length > 0) this.#refuseUsed();
      this.#inheritCpusets(made, existing, resources);
      const warnings = applyLimits(limits, (controller) => this.paths[controller], false);
      const directory = this.paths["devices"];
      if (directory !== undefined) this.#setDevices(directory, devices, made.includes(directory));
      return warnings;
    } catch (error) {
      unmake(made);
      throw error;
    }
  }

  /** Returns the directories which were there already. */
  #makeDirectories(made: string[]): string[] {
    const paths: Record<string, string> = { ...this.paths };
    const existing: string[] = [];
    const seen: Record<string, true> = {};
    for (const [controller, directory] of Object.entries(this.paths)) {
      if (seen[directory]) continue;
      try {
        if (!makeCgroup(directory, made)) existing.push(directory);
        seen[directory] = true;
      } catch (error) {
        if (!dispensable.includes(controller) && !tolerable(error, this.#options)) throw error;
        delete paths[controller];
      }
    }
    this.paths = paths;
    return existing;
  }

  /**
   * As runc: processes and frozen state are looked for in the hierarchies where they matter most.
   */
  #refuseUsed(): void {
    const count = this.pids().length;
    if (count > 0) {
      throw fail(
        "FailedPrecondition",
        `container's cgroup is not empty: ${count} process(es) found`,
        {
          path: this.#main(),
        },
      );
    }
    if (this.isFrozen()) {
      throw fail("FailedPrecondition", "container's cgroup unexpectedly frozen", {
        ...(this.paths["freezer"] === undefined ? {} : { path: this.paths["freezer"] }),
      });
    }
  }

  #inheritCpusets(
    made: readonly string[],
    existing: readonly string[],
    resources: LinuxResources,
  ): void {
    const leaf = this.paths["cpuset"];
    if (leaf === undefined || !(made.includes(leaf) || existing.includes(leaf))) return;
    const parent = leaf.slice(0, leaf.lastIndexOf("/"));
    const { cpus, mems } = resources.cpu ?? {};
    for (const [file, limit] of [
      ["cpuset.cpus", cpus],
      ["cpuset.mems", mems],
    ] as const) {
      // A limit may only name what the parent has, so the parent needs a value in either case.
      if (limit) inheritCpuset(parent, file, made.includes(parent));
      else inheritCpuset(leaf, file, made.includes(leaf));
    }
  }

  #setDevices(directory: string, wanted: DeviceState, isNew: boolean): void {
    // A new cgroup that shall deny by default starts over in any case: no need to read what it
    // inherited.
    const blind = isNew && !wanted.defaultAllow;
    const present = blind
      ? undefined
      : parseDevicesList(readKernelFile(`${directory}/devices.list`));
    const open = present?.defaultAllow === true && wanted.defaultAllow;
    if (isNew && open && wanted.exceptions.length === 0) return;
    const allow: string[] = [];
    const deny: string[] = [];
    for (const { file, value } of deviceWrites(present, wanted)) {
      (file === "devices.allow" ? allow : deny).push(value);
    }
    const denyFirst = !wanted.defaultAllow;
    try {
      if (denyFirst && deny.length > 0) writeLines(`${directory}/devices.deny`, deny);
      if (allow.length > 0) writeLines(`${directory}/devices.allow`, allow);
      if (!denyFirst && deny.length > 0) writeLines(`${directory}/devices.deny`, deny);
    } catch (error) {
      if (!mayLackDeviceRules(error, this.#options)) {
        throw wrap(error, { op: "cannot set linux.resources.devices" });
      }
    }
  }

  joinFds(place: JoinPlace = {}): number[] {
    const paths = placeExec(this.paths, place.subgroups ?? []);
    const fds: number[] = [];
    const seen: Record<string, true> = {};
    try {
      for (const [controller, directory] of Object.entries(paths)) {
        if (controller === "" || seen[directory]) continue;
        seen[directory] = true;
        fds.push(openTasks(controller, directory, place));
      }
    } catch (error) {
      for (const fd of fds) closeSync(fd);
      throw error;
    }
    return fds;
  }

  joinDirFd(place: JoinPlace = {}): number {
    const directory = placeExec(this.paths, place.subgroups ?? [])[""];
    if (directory === undefined) return -1;
    try {
      return openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    } catch (error) {
      // Whoever removes the bookkeeping hierarchy's cgroup does not stop exec from working.
      if (errnoOf(error) === "ENOENT" && !place.subgroups?.length) return -1;
      throw wrap(error, { op: "open cgroup", path: directory });
    }
  }

  update(resources: LinuxResources): readonly string[] {
    return applyLimits(v1Limits(resources), (controller) => this.paths[controller], true);
  }

  stepFreeze(attempt: number): number | undefined {
    return stepFreezeV1(this.#freezer(), attempt);
  }

  thaw(): void {
    thawV1(this.#freezer());
  }

  isFrozen(): boolean {
    const directory = this.paths["freezer"];
    return directory !== undefined && isFrozenV1(directory);
  }

  #freezer(): string {
    const directory = this.paths["freezer"];
    if (directory !== undefined) return directory;
    throw fail("FailedPrecondition", "cannot toggle freezer: cgroups not configured for container");
  }

  /** The hierarchy that answers for all: every container has devices, but for rootless ones. */
  #main(): string {
    return this.paths["devices"] ?? Object.values(this.paths)[0] ?? "";
  }

  pids(): number[] {
    const directory = this.#main();
    return directory === "" ? [] : pidsBelow(directory);
  }

  signalAll(signal: number): void {
    if (signal === 9 && this.#killUnified()) return;
    const wasFrozen = this.isFrozen();
    const canFreeze = this.paths["freezer"] !== undefined;
    signalPids(this, signal, this.#options.native(), {
      freeze: canFreeze && !wasFrozen,
      thaw: canFreeze && (signal === 9 || !wasFrozen),
    });
  }

  /**
   * Hybrid: one write kills all at once, unless somebody put processes into the v1 cgroups only.
   */
  #killUnified(): boolean {
    const unified = this.paths[""];
    if (unified === undefined) return false;
    const there = pidsBelow(unified);
    if (there.length === 0 || this.pids().some((pid) => !there.includes(pid))) return false;
    try {
      writeKernelFile(`${unified}/cgroup.kill`, "1");
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return false;
      throw error;
    }
    // What v1 has frozen does not die before it is thawed.
    if (this.paths["freezer"] !== undefined) this.thaw();
    return true;
  }

  oomEvents(): OomSource {
    const directory = this.paths["memory"];
    if (directory !== undefined) return oomSourceV1(directory, this.#options.native());
    throw fail("FailedPrecondition", "container has no memory cgroup");
  }

  exists(): boolean {
    const directory = this.#main();
    return directory !== "" && existsSync(directory);
  }

  tryRemove(): boolean {
    let all = true;
    const errors: unknown[] = [];
    for (const directory of Object.values(this.paths)) {
      try {
        all = removeCgroup(directory) && all;
      } catch (error) {
        // One hierarchy that refuses must not keep the others' cgroups alive.
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
    return all;
  }
}

/** A `tasks` fd; that of the init's actual cgroup when the recorded one is gone. */
function openTasks(controller: string, directory: string, place: JoinPlace): number {
  try {
    return openSync(`${directory}/tasks`, constants.O_WRONLY);
  } catch (error) {
    const actual =
      errnoOf(error) === "ENOENT" && place.initPid !== undefined && !place.subgroups?.length
        ? actualDirectory(controller, place.initPid)
        : undefined;
    if (actual !== undefined) return openSync(`${actual}/tasks`, constants.O_WRONLY);
    throw wrap(error, { op: "join cgroup", path: directory });
  }
}

function actualDirectory(controller: string, pid: number): string | undefined {
  const path = membershipsOf(pid).find((m) => m.controllers.includes(controller))?.path;
  const hierarchy = cgroupHost().hierarchies.find((h) => h.controllers.includes(controller));
  if (path === undefined || hierarchy === undefined) return undefined;
  return ownDirectory({ ...hierarchy, ownPath: path });
}
