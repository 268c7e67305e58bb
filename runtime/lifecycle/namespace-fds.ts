/** Opens the namespace files that a config names. */
import { closeSync, openSync } from "node:fs";
import type { Namespace } from "../../schemas/generated/config.ts";
import { wrap } from "../base/errors.ts";
import type { JoinedNamespace } from "../plan/namespaces.ts";

/** Opened here, in the host's view, so that no path is looked up after the first namespace is joined. */
export function openNamespaces(namespaces: readonly Namespace[]): JoinedNamespace[] {
  const joins: JoinedNamespace[] = [];
  try {
    for (const { type, path } of namespaces) {
      if (path === undefined || path === "") continue;
      joins.push({ type, path, fd: openNamespace(type, path) });
    }
    return joins;
  } catch (error) {
    for (const { fd } of joins) closeSync(fd);
    throw error;
  }
}

function openNamespace(type: string, path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw wrap(error, { op: `open ${type} namespace`, path });
  }
}
