/** Opens the namespace files that a config names. */
import { openSync } from "node:fs";
import type { Namespace } from "../../schemas/generated/config.ts";
import { wrap } from "../base/errors.ts";
import type { JoinedNamespace } from "../plan/namespaces.ts";
import type { OwnFd } from "./fds.ts";

/** Opened here, in the host's view, so that no path is looked up after the first namespace is joined. */
export function openNamespaces(namespaces: readonly Namespace[], own: OwnFd): JoinedNamespace[] {
  const joins: JoinedNamespace[] = [];
  for (const { type, path } of namespaces) {
    if (path === undefined || path === "") continue;
    joins.push({ type, path, fd: own(openNamespace(type, path)) });
  }
  return joins;
}

function openNamespace(type: string, path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw wrap(error, { op: `open ${type} namespace`, path });
  }
}
