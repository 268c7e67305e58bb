/** Takes a Create request to a container that waits to be started, in this process. */
import { writeFileSync } from "node:fs";
import { fail, wrap } from "../../runtime/base/errors.ts";
import { withUndo } from "../../runtime/base/undo.ts";
import type { Runtime } from "../../runtime/lifecycle/context.ts";
import { createHosted, type HostedContainer } from "../../runtime/lifecycle/hosted.ts";
import { loadSpec } from "../../runtime/spec/load.ts";
import type { Spec } from "../../schemas/generated/config.ts";
import { isSystemdPath, type RuntimeOptions, stateRoot } from "../bootstrap/options.ts";
import { openStdio, type ProcessIo, type StdioRequest } from "../io/stdio.ts";
import { mountRootfs, type RootfsMount } from "../rootfs/mounts.ts";
import { unmountRootfs } from "../rootfs/unmount.ts";
import { requireBinary } from "./binary-name.ts";
import { runtimeFailure, withoutClass } from "./failure.ts";
import { type Host, mountEnvironment } from "./host.ts";

export interface CreateRequest {
  readonly id: string;
  /** Absolute. */
  readonly bundle: string;
  /** Made in the bundle's rootfs; none when somebody else has done that. */
  readonly rootfs: readonly RootfsMount[];
  readonly stdio: StdioRequest;
  /** A checkpoint to restore. */
  readonly checkpoint: string;
  readonly options: RuntimeOptions;
}

/** Owner of the pipes of the container's processes: its root, when that is not the host's. */
export interface IoOwner {
  readonly uid: number;
  readonly gid: number;
}

export interface Created extends HostedContainer {
  readonly rt: Runtime;
  readonly io: ProcessIo;
  readonly owner: IoOwner;
  /** Where mounts were made, undefined for none. */
  readonly mounted: string | undefined;
}

/**
 * In: what to call with the Runtime once there may be a state to act on.
 * @throws errors with the texts that dockerd looks for; nothing of ours is left then but two files in the bundle, which
 * the delete helper reads.
 */
export async function createContainer(
  host: Host,
  request: CreateRequest,
  reachable: (rt: Runtime) => void,
): Promise<Created> {
  const { bundle, options, checkpoint } = request;
  if (checkpoint !== "") throw fail("Unimplemented", "checkpoints cannot be restored");
  requireBinary(options.binaryName);
  writeForDelete(bundle, options);
  try {
    return await build(host, request, reachable);
  } catch (error) {
    throw withoutClass(error);
  }
}

function build(
  host: Host,
  request: CreateRequest,
  reachable: (rt: Runtime) => void,
): Promise<Created> {
  const { bundle, options, rootfs } = request;
  return withUndo(async (undo) => {
    const mounted = rootfs.length > 0 ? `${bundle}/rootfs` : undefined;
    if (mounted !== undefined) {
      const mounting = mountEnvironment(host);
      await mountRootfs(mounting, rootfs, mounted);
      undo.push(() => unmountRootfs(mounting, mounted));
    }
    const spec = readSpec(host, bundle);
    const owner = ioOwner(spec, options);
    const io = await openStdio(host, request.stdio, {
      id: request.id,
      namespace: host.namespace,
      ...owner,
    });
    undo.push(() => io.close());
    const rt = runtimeFor(host, options, spec);
    reachable(rt);
    const hosted = await launch(rt, request, spec, io);
    io.handedOver();
    if (hosted.init.terminal >= 0) io.attachTerminal(hosted.init.terminal);
    return { ...hosted, rt, io, owner, mounted };
  });
}

async function launch(
  rt: Runtime,
  { id, bundle, stdio, options }: CreateRequest,
  spec: Spec,
  io: ProcessIo,
): Promise<HostedContainer> {
  try {
    return await createHosted(rt, {
      id,
      bundle,
      spec,
      pidFile: `${bundle}/init.pid`,
      noPivot: options.noPivotRoot,
      noNewKeyring: options.noNewKeyring,
      terminal: stdio.terminal,
      stdio: io.stdio,
    });
  } catch (error) {
    throw runtimeFailure("create", error);
  }
}

function readSpec(host: Host, bundle: string): Spec {
  try {
    return loadSpec(bundle, (text) => host.log.warn(text));
  } catch (error) {
    throw runtimeFailure("create", error);
  }
}

/** Options rarely arrive for a runtime whose name is not runc's: what they would say is in the config, too. */
function ioOwner({ linux }: Spec, { ioUid, ioGid }: RuntimeOptions): IoOwner {
  const uid = linux?.uidMappings?.find(({ containerID }) => containerID === 0)?.hostID ?? 0;
  const gid = linux?.gidMappings?.find(({ containerID }) => containerID === 0)?.hostID ?? 0;
  return { uid: ioUid || uid, gid: ioGid || gid };
}

/** The state lies where the CLI with this --root finds it. Our own environment says nothing about containers. */
function runtimeFor(host: Host, options: RuntimeOptions, { linux }: Spec): Runtime {
  const native = (): typeof host.children.native => host.children.native;
  return {
    root: stateRoot(options, host.namespace),
    rootGiven: false,
    systemdCgroup: options.systemdCgroup || isSystemdPath(linux?.cgroupsPath),
    rootless: "auto",
    debug: host.debug,
    log: host.log,
    env: {},
    native,
    waiter: host.reactor.waiter,
    initImage: host.initImage,
  };
}

/** What `delete` needs when this process is gone. */
function writeForDelete(bundle: string, options: RuntimeOptions): void {
  try {
    writeFileSync(`${bundle}/options.json`, JSON.stringify(options), { mode: 0o600 });
    writeFileSync(`${bundle}/runtime`, options.binaryName, { mode: 0o600 });
  } catch (error) {
    throw wrap(error, { op: "write to bundle", path: bundle });
  }
}
