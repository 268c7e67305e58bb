/** Moves network interfaces of the host into a container (linux.netDevices). */
import { closeSync, openSync } from "node:fs";
import type { Linux } from "../../schemas/generated/config.ts";
import { wrap } from "../base/errors.ts";
import { buildNetDevicePlan } from "../plan/net-devices.ts";
import type { Runtime } from "./context.ts";
import { converse, spawnInit } from "./init-session.ts";

const SIGKILL = 9;

/**
 * A helper does it, and not init: it takes CAP_NET_ADMIN on both sides, which an init in a user namespace has not.
 * In: the pid of an init that waits for us. Throws naming the device; what has been moved by then stays in the container.
 */
export async function moveNetDevices(
  rt: Runtime,
  pid: number,
  devices: Linux["netDevices"] & object,
): Promise<void> {
  const namespace = openNetworkNamespace(pid);
  try {
    const plan = buildNetDevicePlan(devices, namespace);
    const session = spawnInit(rt, { plan, stdio: [-1, -1, -1], fds: [namespace], cgroupFd: -1 });
    const helper = await converse(rt, session, { ready: async () => -1 }, false);
    try {
      rt.native().signalPidfd(helper.pidfd, SIGKILL);
    } catch {
      // it has ended by itself, at the end of its plan
    }
    rt.native().waitPid(helper.pid, false);
    closeSync(helper.pidfd);
  } finally {
    closeSync(namespace);
  }
}

function openNetworkNamespace(pid: number): number {
  const path = `/proc/${pid}/ns/net`;
  try {
    return openSync(path, "r");
  } catch (error) {
    throw wrap(error, { op: "open network namespace", path });
  }
}
