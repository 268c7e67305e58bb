/** Which containers share a shim, and the socket that such a group has. */
import { readFileSync } from "node:fs";
import { errnoOf, fail, wrap } from "../../runtime/base/errors.ts";
import { absolutePath } from "../../runtime/base/paths.ts";
import { sha256Hex } from "./sha256.ts";

/** The first that a container has names its group: what runc's shim looks at, in its order. */
const groupAnnotations = ["io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"];

const defaultSocketDir = "/run/containerd/s";
/** containerd's limit, two bytes below the kernel's. */
const maximumPathBytes = 106;

/**
 * The group of the container with this bundle: of its annotations, else its own id.
 * @throws InvalidArgument for a config that is no JSON; having none is fine (sandboxes that the shim makes).
 */
export function groupOf(bundle: string, id: string): string {
  const path = `${bundle}/config.json`;
  let annotations: Readonly<Record<string, unknown>>;
  try {
    const config = JSON.parse(readFileSync(path, "utf8")) as { annotations?: unknown } | null;
    annotations = (config?.annotations ?? {}) as Record<string, unknown>;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return id;
    throw wrap(error, { op: "read", path, code: "InvalidArgument" });
  }
  for (const name of groupAnnotations) {
    const group = annotations[name];
    if (typeof group === "string" && group !== "") return group;
  }
  return id;
}

/**
 * The path of a group's socket, in the same way as all shims of containerd name theirs.
 * @param group undefined for the one group of a namespace.
 * @throws InvalidArgument for a path that is too long to listen on.
 */
export function socketPath(
  socketDir: string,
  containerdAddress: string,
  namespace: string,
  group: string | undefined,
): string {
  const dir = socketDir === "" ? defaultSocketDir : socketDir;
  // only what containerd says is cleaned: `..` in an annotation must not lead to the group of another namespace
  const name = absolutePath(`${containerdAddress}/${namespace}`, "/");
  const path = `${dir}/${sha256Hex(group === undefined ? name : `${name}/${group}`)}`;
  const bytes = new TextEncoder().encode(path).length;
  if (bytes > maximumPathBytes) {
    throw fail("InvalidArgument", `socket path of ${bytes} bytes is too long: ${path}`, {
      hint: `a socket directory may have ${maximumPathBytes - 65} bytes`,
    });
  }
  return path;
}
