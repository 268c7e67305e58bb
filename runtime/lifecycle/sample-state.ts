/** A state file for tests: a container that has been created by us and that we are the init of. */
import { processStat } from "../host/process-stat.ts";
import type { StateFile } from "./store.ts";

export function sampleState(more: Partial<StateFile> = {}): StateFile {
  const us = { pid: process.pid, startTime: processStat(process.pid)?.startTime ?? "" };
  return {
    version: 1,
    id: "c1",
    ociVersion: "1.2.0",
    bundle: "/bundle",
    rootfs: "/bundle/rootfs",
    created: "2026-11-21T00:00:00Z",
    owner: 0,
    phase: "created",
    creator: us,
    ...us,
    cgroups: undefined,
    namespaces: 0,
    sharesPidNamespace: false,
    sharesMountNamespace: false,
    keyring: false,
    hasStartHooks: false,
    ...more,
  };
}
