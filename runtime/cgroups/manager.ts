/** What the lifecycle may ask of a container's cgroups, whatever the hierarchy's version. */
import type { LinuxResources } from "../../schemas/generated/config.ts";

export type CgroupMode = "v1" | "v2";

/**
 * Controller name -> absolute directory of the container's cgroup. Named v1 hierarchies are spelled
 * as in /proc/self/cgroup (`name=systemd`). The key `""` is the unified hierarchy: the only one on
 * v2, an additional one on hybrid hosts. This is what the state file keeps.
 */
export type CgroupPaths = Readonly<Record<string, string>>;

/** Where a process of exec goes; without it a process joins the container's own cgroups. */
export interface JoinPlace {
  /**
   * The container's init: on v2 its present cgroup is taken when the recorded one cannot hold
   * processes any more (init moved itself into a leaf and enabled controllers above).
   */
  readonly initPid?: number;
  /**
   * `exec --cgroup` arguments as typed: `path`, or `controller[,controller..]:path`; below the
   * container's cgroup.
   */
  readonly subgroups?: readonly string[];
}

/**
 * Where and how a container's out-of-memory kills are reported. The owner polls `fds` and closes
 * the source.
 */
export interface OomSource {
  /** Readable (or hung up) when `take` should be called. */
  readonly fds: readonly number[];
  /**
   * Consumes what made the fds ready. `killed` counts new kills; `gone` means that the cgroup is
   * removed or empty.
   */
  take(): { readonly killed: number; readonly gone: boolean };
  close(): void;
}

/**
 * The cgroups of one container. All calls are synchronous and throw RuntimeError. Join fds are
 * opened close-on-exec and belong to the caller.
 */
export interface CgroupManager {
  readonly mode: CgroupMode;
  readonly paths: CgroupPaths;
  /**
   * Makes the directories and writes all limits before anybody joins. Refuses a cgroup that holds
   * processes or is frozen. On failure removes what it has made. Returns one line for each part of
   * the config which has no effect here.
   */
  create(resources: LinuxResources | undefined): readonly string[];
  /**
   * v1: write-only fds of every hierarchy's `tasks`, into which the new single-threaded process
   * writes `0` itself (no wait for an RCU grace period). v2: none.
   */
  joinFds(place?: JoinPlace): number[];
  /**
   * The unified cgroup's directory fd for CLONE_INTO_CGROUP; -1 where there is none (pure v1).
   * Hybrid has both.
   */
  joinDirFd(place?: JoinPlace): number;
  /**
   * Writes only what is given; devices are left alone. Restores the old values when one write
   * fails. Returns as create.
   */
  update(resources: LinuxResources): readonly string[];
  /**
   * An attempt to freeze every process: undefined when that is reached, else the milliseconds to wait before the next
   * one. Attempts count from 0. Throws, thawed again, when it cannot be reached.
   */
  stepFreeze(attempt: number): number | undefined;
  thaw(): void;
  isFrozen(): boolean;
  /**
   * Process ids in the whole sub-tree, as seen from the caller's pid namespace; empty when the
   * cgroup is gone.
   */
  pids(): number[];
  /**
   * Signals every process of the sub-tree. SIGKILL leaves nobody out, forking processes included.
   */
  signalAll(signal: number): void;
  oomEvents(): OomSource;
  /** Does the container's cgroup still exist? */
  exists(): boolean;
  /**
   * Removes the container's cgroups with everything below; absent ones are fine. False when something is still busy:
   * dying processes hold their cgroup for a moment.
   */
  tryRemove(): boolean;
}
