/** Collects what a create plan depends on: opened fds and facts of the host. The plan itself is pure. */
import { existsSync } from "node:fs";
import type { Linux, Spec } from "../../schemas/generated/config.ts";
import type { CgroupManager } from "../cgroups/manager.ts";
import { cgroupHost } from "../host/cgroup-mode.ts";
import { inUserNamespace, lacksSetGroups } from "../host/user-namespace.ts";
import type { CgroupHierarchyFacts } from "../plan/cgroup-mounts.ts";
import type { CreatePlanInput } from "../plan/create.ts";
import type { SeccompFilter } from "../plan/process.ts";
import { keepsGroups } from "../spec/annotations.ts";
import { type CgroupJoin, openCgroupJoin } from "./cgroup-join.ts";
import type { Runtime } from "./context.ts";
import type { OwnFd } from "./fds.ts";
import { makeGate } from "./gate.ts";
import { deniesSetGroups } from "./id-maps.ts";
import { checkLabels, checkMountLabel } from "./labels.ts";
import { openNamespaces } from "./namespace-fds.ts";
import { inheritedFds } from "./preserved-fds.ts";
import { sharedMountPoint } from "./rootfs.ts";

export interface PlanSubject {
  readonly id: string;
  readonly bundle: string;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  readonly preserveFds: number;
  readonly spec: Spec;
  readonly rootfs: string;
  readonly cgroups: CgroupManager;
  readonly seccomp: SeccompFilter | undefined;
  /** Wait to be started. */
  readonly gate: boolean;
}

export interface CollectedInput {
  readonly input: CreatePlanInput;
  /** What init gets: the fds that the plan refers to, and those that the program inherits. */
  readonly fds: readonly number[];
  readonly cgroupDirectory: number;
}

/** Every fd is noted in `own`; the inherited ones are the caller's. */
export function collectPlanInput(rt: Runtime, subject: PlanSubject, own: OwnFd): CollectedInput {
  const { id, bundle, spec, rootfs, cgroups, seccomp, noPivot } = subject;
  const { linux = {} } = spec;
  const inherited = inheritedFds(rt, subject.preserveFds);
  const joins = openNamespaces(linux.namespaces ?? [], own);
  const join = openCgroupJoin(cgroups, own);
  const gateFd = subject.gate ? own(makeGate(rt, id)) : -1;
  const input: CreatePlanInput = {
    id,
    spec,
    bundle,
    rootfs,
    joins,
    cgroupFds: join.files,
    cgroupMounts: {
      mode: cgroups.mode,
      hierarchies: hasCgroupMount(spec) ? hierarchiesOf(cgroups, linux) : [],
      namespaced: (linux.namespaces ?? []).some(({ type }) => type === "cgroup"),
    },
    seccomp,
    labels: {
      ...checkLabels(spec.process ?? { cwd: "/" }),
      ...checkMountLabel(linux.mountLabel ?? "", rt.log),
    },
    noPivot,
    newKeyring: !subject.noNewKeyring,
    inherited,
    gateFd,
    rootfsMountPoint: sharedMountPoint(spec, rootfs),
    hasKcore: existsSync("/proc/kcore"),
    privileged: process.geteuid?.() === 0,
    // new namespaces inherit the denial of the one that we are in
    setGroupsDenied:
      deniesSetGroups(linux) || lacksSetGroups("self") || keepsGroups(spec.annotations),
  };
  return { input, fds: initFds(input, join), cgroupDirectory: join.directory };
}

function initFds({ joins, gateFd, inherited }: CreatePlanInput, { files }: CgroupJoin): number[] {
  const fds = [...joins, ...files].map(({ fd }) => fd);
  if (gateFd >= 0) fds.push(gateFd);
  return [...fds, ...inherited.fds];
}

function hasCgroupMount({ mounts = [] }: Spec): boolean {
  return mounts.some(({ type }) => type === "cgroup");
}

function hierarchiesOf(cgroups: CgroupManager, { namespaces = [] }: Linux): CgroupHierarchyFacts[] {
  if (cgroups.mode === "v2") {
    // a user namespace may mount cgroup2 only in a cgroup namespace that it owns (cgroup_namespaces(7))
    const path = cgroups.paths[""];
    const has = (kind: string) => namespaces.some(({ type }) => type === kind);
    const isRefused = !has("cgroup") && (has("user") || inUserNamespace());
    return path !== undefined && isRefused ? [{ name: "", controllers: [""], path }] : [];
  }
  return cgroupHost().hierarchies.flatMap(({ controllers, mountPoint }) => {
    const path = cgroups.paths[controllers[0] ?? ""];
    if (path === undefined || controllers[0] === "") return [];
    return [{ name: mountPoint.slice(mountPoint.lastIndexOf("/") + 1), controllers, path }];
  });
}
