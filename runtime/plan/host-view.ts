/** What is shown of the host's /proc and /sys where a user namespace does not let the container mount its own. */
import type { Mount } from "../../schemas/generated/config.ts";
import { parseMountOptions } from "../spec/mount-options.ts";
import type { NamespacePlan } from "./namespaces.ts";

/**
 * A procfs belongs to a pid namespace, a sysfs to a network namespace: a process in a user namespace may mount them only
 * when that owns the namespace (mount_namespaces(7)). With the host's, the host's file system is bound instead, which
 * shows the same; ids that are not mapped are nobody's there. In: an entry of the config. Out: the entry to carry out.
 */
export function withHostView(mount: Mount, namespaces: NamespacePlan): Mount {
  const options = mount.options ?? [];
  const { bind, data } = parseMountOptions(options);
  if (bind || !needsHostView(mount.type ?? "", namespaces)) return mount;
  const flags = options.filter((option) => !data.includes(option));
  return {
    destination: mount.destination,
    type: "bind",
    source: mount.type === "proc" ? "/proc" : "/sys",
    // what the host has mounted below comes along and gets the same flags
    options: ["rbind", ...flags, ...flags.filter((flag) => flag === "ro").map(() => "rro")],
  };
}

function needsHostView(type: string, namespaces: NamespacePlan): boolean {
  if (!namespaces.has("user")) return false;
  if (type === "proc") return !namespaces.has("pid");
  if (type !== "sysfs" || namespaces.isNew("network")) return false;
  // in a pod both are joined, and the one owns the other
  return !(namespaces.has("network") && !namespaces.isNew("user"));
}
