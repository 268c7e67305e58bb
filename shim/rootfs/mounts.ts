/** Mounts a container's root file system as containerd's Create request lists it. */
import { mkdirSync } from "node:fs";
import {
  describe,
  errnoOf,
  errnoText,
  fail,
  type RuntimeError,
  wrap,
} from "../../runtime/base/errors.ts";
import { withUndo } from "../../runtime/base/undo.ts";
import { detailOf, type MountEnvironment, outcome } from "./environment.ts";
import { runMountHelper } from "./mount-helper.ts";
import { parseMount, type RootfsMount } from "./mount-request.ts";
import { unmountPoint } from "./unmount.ts";

export type { MountEnvironment } from "./environment.ts";
export type { RootfsMount } from "./mount-request.ts";

/**
 * Mounts all in order, or nothing: when one fails those before it are unmounted. Without mounts somebody else takes
 * care of the root file system (docker), and it is not touched. The event loop goes on meanwhile.
 * @param rootfs `<bundle>/rootfs`, absolute; made when it is missing.
 * @throws RuntimeError that names the mount, with the kernel's own words.
 */
export async function mountRootfs(
  env: MountEnvironment,
  mounts: readonly RootfsMount[],
  rootfs: string,
): Promise<void> {
  if (mounts.length === 0) return;
  makeRootfs(rootfs);
  await withUndo(async (undo) => {
    for (const [index, mount] of mounts.entries()) {
      try {
        const target = await mountOne(env, mount, rootfs);
        undo.push(() => unmountPoint(env, rootfs, target));
      } catch (error) {
        throw explain(error, mount, `${index + 1} of ${mounts.length}`);
      }
    }
  });
}

/** Returns the target beneath the root file system, without symbolic links. */
async function mountOne(
  env: MountEnvironment,
  mount: RootfsMount,
  rootfs: string,
): Promise<string> {
  const parsed = parseMount(mount, rootfs);
  const target = targetBeneath(env, rootfs, mount.target);
  if (parsed.by === "kernel") {
    await outcome(env, env.native.mounts.mount({ ...parsed.request, target }));
  } else {
    const path = target === "" ? rootfs : `${rootfs}/${target}`;
    await runMountHelper(env, parsed.helper, [
      mount.source,
      path,
      ...mount.options.flatMap((option) => ["-o", option]),
      "-t",
      parsed.type,
    ]);
  }
  return target;
}

function targetBeneath(env: MountEnvironment, rootfs: string, target: string): string {
  if (target === "" || target === "/") return "";
  const root = env.native.mounts.resolve(rootfs, "");
  return env.native.mounts.resolve(rootfs, target).slice(root.length + 1);
}

function makeRootfs(rootfs: string): void {
  try {
    mkdirSync(rootfs, 0o711);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw wrap(error, { op: "make", path: rootfs });
  }
}

/** The class of the kernel's error says nothing about the container: a missing layer does not make it NotFound. */
function explain(error: unknown, mount: RootfsMount, number: string): RuntimeError {
  const { type, source, target } = mount;
  const place = `mount ${number} (type ${type}, source ${source}, target ${target === "" ? "/" : target})`;
  const errno = errnoOf(error);
  const code =
    (error as { code?: unknown }).code === "InvalidArgument" ? "InvalidArgument" : "Unknown";
  if (errno === undefined)
    return fail(code, `${place}: ${describe(error)}`, { op: "mount", cause: error });
  const { syscall } = error as { readonly syscall?: string };
  const words = detailOf(error);
  return fail(code, `${place}: ${words === undefined ? syscall : words}: ${errnoText(errno)}`, {
    op: "mount",
    path: source,
    errno,
    syscall,
  });
}
