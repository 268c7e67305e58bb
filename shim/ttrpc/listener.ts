/** Accepts the connections of peers that run as we do. */
import { closeSync } from "node:fs";
import { describe, errnoOf } from "../../runtime/base/errors.ts";
import type { Logger } from "../../runtime/base/log.ts";
import type { Connection } from "../../runtime/native/binding.ts";
import type { Environment } from "./connection.ts";

export interface ServerEnvironment extends Environment {
  readonly log: Logger;
}

/** After an accept that failed (too many open files). */
const pauseMs = 100;

function accept(environment: ServerEnvironment, listener: number): Connection | undefined {
  for (;;) {
    try {
      return environment.native.accept(listener);
    } catch (error) {
      // the peer has gone while it waited
      if (errnoOf(error) !== "ECONNABORTED") throw error;
    }
  }
}

function acceptAll(
  environment: ServerEnvironment,
  listener: number,
  accepted: (fd: number) => void,
): void {
  for (;;) {
    const peer = accept(environment, listener);
    if (peer === undefined) return;
    if (peer.uid === process.geteuid?.() && peer.gid === process.getegid?.()) {
      accepted(peer.fd);
      continue;
    }
    const who = `process ${peer.pid} of ${peer.uid}:${peer.gid}`;
    environment.log.warn(`refused a connection of ${who}`);
    closeSync(peer.fd);
  }
}

/**
 * Hands over the fds of connections until `end` is aborted, then closes the listener. Peers of another user or group
 * are refused, as by Go's ttrpc.UnixSocketRequireSameUser. Never rejects.
 */
export async function acceptPeers(
  environment: ServerEnvironment,
  listener: number,
  end: AbortSignal,
  accepted: (fd: number) => void,
): Promise<void> {
  while (!end.aborted) {
    try {
      await environment.reactor.ready(listener, { signal: end });
      if (!end.aborted) acceptAll(environment, listener, accepted);
    } catch (error) {
      environment.log.warn(`accept: ${describe(error)}`);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
  closeSync(listener);
}
