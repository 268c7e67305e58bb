/** Where the container's root file system is on the host. */
import { realpathSync, statSync } from "node:fs";
import type { Spec } from "../../schemas/generated/config.ts";
import { fail, wrap } from "../base/errors.ts";
import { mountPoints } from "../host/mounts.ts";

/**
 * The directory, links resolved.
 * @throws InvalidArgument naming root.path when it is absent or no directory.
 */
export function resolveRootfs(spec: Spec, bundle: string): string {
  const configured = spec.root?.path;
  if (configured === undefined || configured === "") {
    throw fail("InvalidArgument", "root.path: required to create a container");
  }
  const path = configured.startsWith("/") ? configured : `${bundle}/${configured}`;
  let real: string;
  try {
    real = realpathSync(path);
  } catch (error) {
    throw wrap(error, { op: "invalid rootfs: root.path", path, code: "InvalidArgument" });
  }
  if (!statSync(real).isDirectory()) {
    throw fail("InvalidArgument", `invalid rootfs: root.path ${path}: not a directory`);
  }
  if (real === "/") throw fail("InvalidArgument", "invalid rootfs: root.path is the host's root");
  return real;
}

/**
 * The mount that holds the rootfs, to be made private where the config keeps the host's propagation: pivot_root(2)
 * refuses a shared parent. Undefined where nothing is shared anyway.
 */
export function sharedMountPoint(spec: Spec, rootfs: string): string | undefined {
  if (!(spec.linux?.rootfsPropagation ?? "").endsWith("shared")) return undefined;
  let best = "/";
  for (const point of mountPoints()) {
    const holds = rootfs === point || rootfs.startsWith(point === "/" ? "/" : `${point}/`);
    if (holds && point.length >= best.length) best = point;
  }
  return best;
}
