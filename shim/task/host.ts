/** What the containers of this shim share. */
import type { Logger } from "../../runtime/base/log.ts";
import type { Children } from "../event-loop/children.ts";
import type { Reactor } from "../event-loop/reactor.ts";
import type { Events } from "../events/queue.ts";
import type { MountEnvironment } from "../rootfs/environment.ts";

/** Lives as long as the shim. */
export interface Host {
  /** containerd's. */
  readonly namespace: string;
  readonly children: Children;
  readonly reactor: Reactor;
  readonly events: Events;
  readonly log: Logger;
  readonly debug: boolean;
  /** Loggers of deleted processes that have not ended yet. */
  readonly endingLoggers: Set<Promise<void>>;
  /** The sealed executable that all inits are started from. */
  readonly initImage: () => number;
}

export function mountEnvironment({ children, reactor, log }: Host): MountEnvironment {
  return { native: children.native, waiter: reactor.waiter, log };
}
