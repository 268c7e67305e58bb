/** Which namespaces the first clone makes, which are joined, and in what order. */
import type { Namespace } from "../../schemas/generated/config.ts";
import { namespaceFlag } from "../spec/namespaces.ts";
import type { PlanBuilder } from "./plan.ts";
import { syncPoint } from "./plan.ts";

/** A namespace to join: the config's path, opened and verified by the caller. */
export interface JoinedNamespace {
  readonly type: Namespace["type"];
  readonly fd: number;
  readonly path: string;
}

export interface NamespacePlan {
  /** Made by the first clone, or by the plan's fork when something has to be joined before. */
  readonly newFlags: number;
  readonly joins: readonly JoinedNamespace[];
  /** True when the plan itself forks, so that joins come before what is new. */
  readonly forks: boolean;
  readonly newCgroup: boolean;
  readonly newTime: boolean;
  has(type: Namespace["type"]): boolean;
  isNew(type: Namespace["type"]): boolean;
}

/**
 * The first clone makes everything new at once, which is the fast path. It cannot where a user namespace
 * is involved (init would lose its capabilities at exec while no id is mapped) or where a pid namespace is
 * joined (only children enter it): then init joins, forks and lets the fork make the new ones.
 * The cgroup namespace always waits until the cgroup is joined, since its root is fixed at that moment.
 */
export function planNamespaces(
  namespaces: readonly Namespace[],
  joins: readonly JoinedNamespace[],
): NamespacePlan {
  let newFlags = 0;
  for (const namespace of namespaces) {
    if (namespace.path !== undefined && namespace.path !== "") continue;
    if (namespace.type === "cgroup" || namespace.type === "time") continue;
    newFlags |= namespaceFlag(namespace.type);
  }
  const find = (type: Namespace["type"]) => namespaces.find((n) => n.type === type);
  const isNew = (type: Namespace["type"]) => {
    const found = find(type);
    return found !== undefined && (found.path === undefined || found.path === "");
  };
  return {
    newFlags,
    joins: orderJoins(joins),
    forks: find("user") !== undefined || joins.some((join) => join.type === "pid"),
    newCgroup: isNew("cgroup"),
    newTime: isNew("time"),
    has: (type) => find(type) !== undefined,
    isNew,
  };
}

/** The user namespace first, since it owns the others; the mount namespace last, since it changes all paths. */
function orderJoins(joins: readonly JoinedNamespace[]): JoinedNamespace[] {
  const rank = (join: JoinedNamespace) =>
    join.type === "user" ? 0 : join.type === "mount" ? 2 : 1;
  return [...joins].sort((a, b) => rank(a) - rank(b));
}

/**
 * Adds the joins and, where needed, the fork with the new namespaces and the mapping of ids.
 * In: lines for timens_offsets; whether the parent may write anybody's id maps.
 */
export function addNamespaces(
  builder: PlanBuilder,
  namespaces: NamespacePlan,
  timeOffsets: string,
  privileged: boolean,
): void {
  if (takesTimeEarly(namespaces)) builder.ops.push({ op: "timeOffset", text: timeOffsets });
  for (const { type, fd, path } of namespaces.joins) {
    builder.ops.push({ op: "joinNamespace", fd, type: namespaceFlag(type), path });
  }
  if (!namespaces.forks) return;
  builder.ops.push({ op: "fork", flags: namespaces.newFlags });
  if (namespaces.isNew("user")) {
    const sync = { op: "sync", point: syncPoint.mapIds } as const;
    // in a joined pid namespace others wait to trace us: dumpable only where newuidmap and an unprivileged parent,
    // for whom the /proc files of a hidden process are not, have to write the maps
    if (privileged) builder.ops.push(sync);
    else builder.ops.push({ op: "setDumpable", value: 1 }, sync, { op: "setDumpable", value: 0 });
  }
  if (namespaces.has("user")) {
    builder.ops.push({ op: "setIds", uid: 0, gid: 0, groups: new Uint8Array(), setGroups: 0 });
  }
}

/** The cgroup and time namespaces, which could not be made by the clone. */
export function addLateNamespaces(
  builder: PlanBuilder,
  namespaces: NamespacePlan,
  timeOffsets: string,
): void {
  if (namespaces.newCgroup) builder.ops.push({ op: "unshare", flags: namespaceFlag("cgroup") });
  if (!namespaces.newTime || takesTimeEarly(namespaces)) return;
  const time = { op: "timeOffset", text: timeOffsets } as const;
  if (!namespaces.has("user")) builder.ops.push(time);
  // the file belongs to host root while we are hidden; nobody else is in these namespaces, they are new
  else builder.ops.push({ op: "setDumpable", value: 1 }, time, { op: "setDumpable", value: 0 });
}

/** Where others live in the user or pid namespace already we must not become dumpable in it (CVE-2016-9962). */
function takesTimeEarly({ newTime, has, isNew, joins }: NamespacePlan): boolean {
  const shared = !isNew("user") || joins.some(({ type }) => type === "pid");
  return newTime && has("user") && shared;
}
