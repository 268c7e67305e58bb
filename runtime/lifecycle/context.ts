/** What every lifecycle verb needs from whoever runs it: the CLI or the shim. */
import type { Logger } from "../base/log.ts";
import type { NativeBinding } from "../native/binding.ts";

/** How the kernel is waited for: the CLI's blocks, the shim's parks on its event loop. */
export interface Waiter {
  /**
   * Waits until at least one fd is readable or hung up, or for `timeoutMs` (-1: no limit). Without fds it is a pause.
   * @returns the fds that are; none after a timeout.
   */
  wait(fds: readonly number[], timeoutMs: number): Promise<readonly number[]>;
}

export interface Runtime {
  /** Directory with one state directory a container; absolute. */
  readonly root: string;
  /** Whether the user named the root: a missing default root just means that there is no container. */
  readonly rootGiven: boolean;
  readonly systemdCgroup: boolean;
  readonly rootless: "true" | "false" | "auto";
  readonly debug: boolean;
  readonly log: Logger;
  /** What a supervisor says in our environment: LISTEN_FDS, LISTEN_PID, NOTIFY_SOCKET; empty for the shim. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Opens the addon on first use. */
  readonly native: () => NativeBinding;
  readonly waiter: Waiter;
  /**
   * A sealed copy of init's executable that its owner keeps, for a process that starts many. Without it each start
   * makes one of its own.
   */
  readonly initImage?: () => number;
}
