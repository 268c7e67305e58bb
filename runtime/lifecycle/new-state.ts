/** The state file of a container that is being created. */
import type { Spec } from "../../schemas/generated/config.ts";
import type { RdtGroup } from "../cgroups/intel-rdt.ts";
import type { CgroupManager } from "../cgroups/manager.ts";
import { processStat } from "../host/process-stat.ts";
import { namespaceFlag } from "../spec/namespaces.ts";
import type { StateFile } from "./store.ts";

export interface NewContainer {
  readonly id: string;
  readonly bundle: string;
  readonly noNewKeyring: boolean;
}

export function firstState(
  { id, bundle, noNewKeyring }: NewContainer,
  spec: Spec,
  rootfs: string,
  cgroups: CgroupManager,
  rdt: RdtGroup | undefined,
): StateFile {
  const namespaces = spec.linux?.namespaces ?? [];
  const { poststart, poststop } = spec.hooks ?? {};
  return {
    version: 1,
    id,
    ociVersion: spec.ociVersion,
    bundle,
    rootfs,
    created: rfc3339(new Date()),
    owner: process.geteuid?.() ?? 0,
    phase: "creating",
    creator: { pid: process.pid, startTime: processStat(process.pid)?.startTime ?? "" },
    pid: 0,
    startTime: "",
    cgroups: { mode: cgroups.mode, paths: cgroups.paths },
    namespaces: namespaces.reduce((flags, { type }) => flags | namespaceFlag(type), 0),
    sharesPidNamespace: !namespaces.some(({ type, path }) => type === "pid" && !path),
    sharesMountNamespace: !namespaces.some(({ type }) => type === "mount"),
    keyring: !noNewKeyring,
    hasStartHooks: (spec.hooks?.startContainer ?? []).length > 0,
    ...(spec.annotations === undefined ? {} : { annotations: spec.annotations }),
    ...(rdt === undefined ? {} : { rdt }),
    ...(poststart === undefined ? {} : { poststart }),
    ...(poststop === undefined ? {} : { poststop }),
  };
}

/** As Go prints it, without zeros at the end; the clock here gives milliseconds. */
export function rfc3339(time: Date): string {
  return time
    .toISOString()
    .replace(/(\.\d*?)0+Z$/, "$1Z")
    .replace(".Z", "Z");
}
