/** Annotations that change what the runtime does. */

/** podman's `--group-add keep-groups`, which it passes on as crun's annotation. */
const keepGroups = "run.oci.keep_original_groups";

/**
 * What a caller has to keep its own users from setting (`features`, potentiallyUnsafeConfigAnnotations): runc's list,
 * which engines know, and what reaches beyond the container here. A dot at the end means everything below.
 */
export const unsafeAnnotations: readonly string[] = [
  "bundle",
  "org.systemd.property.",
  "org.criu.config",
  keepGroups,
];

/** Does the process keep the supplementary groups of the runtime's caller? */
export function keepsGroups(annotations: Readonly<Record<string, string>> | undefined): boolean {
  return annotations?.[keepGroups] === "1";
}
