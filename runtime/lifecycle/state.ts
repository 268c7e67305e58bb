/** `state` and `list`: what is known about containers. */
import { describe, RuntimeError } from "../base/errors.ts";
import { userName } from "../host/users.ts";
import type { Runtime } from "./context.ts";
import { type Container, openContainer, type Status } from "./status.ts";
import { listIds } from "./store.ts";

/** runc's state document: the spec's, with rootfs, created and owner. */
export interface ContainerState {
  readonly ociVersion: string;
  readonly id: string;
  /** 0 when stopped. */
  readonly pid: number;
  readonly status: Status;
  readonly bundle: string;
  readonly rootfs: string;
  /** RFC 3339 with nanoseconds. */
  readonly created: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** User name, or "" when the uid has none. */
  readonly owner: string;
}

export function state(rt: Runtime, id: string): ContainerState {
  return describeContainer(openContainer(rt, id));
}

/** Containers in the order of their ids; one that cannot be read is warned about and left out. */
export function listContainers(rt: Runtime): ContainerState[] {
  const found: ContainerState[] = [];
  for (const id of listIds(rt.root, rt.rootGiven)) {
    try {
      found.push(state(rt, id));
    } catch (error) {
      // being made or deleted at this moment
      if (error instanceof RuntimeError && error.code === "NotFound") continue;
      rt.log.warn(`load container ${id}: ${describe(error)}`);
    }
  }
  return found;
}

function describeContainer({ state: file, status }: Container): ContainerState {
  const { ociVersion, id, bundle, rootfs, created, annotations, owner } = file;
  return {
    ociVersion,
    id,
    pid: status === "stopped" ? 0 : file.pid,
    status,
    bundle,
    rootfs,
    created,
    ...(annotations === undefined ? {} : { annotations }),
    owner: userName(owner),
  };
}
