/** Rules about mounts and hooks. */
import type { Hooks, Mount } from "../../schemas/generated/config.ts";
import { parseMountOptions } from "./mount-options.ts";
import type { Rule, Subject } from "./rule.ts";

function isIdMapped(mount: Mount): boolean {
  return (
    mount.uidMappings !== undefined ||
    mount.gidMappings !== undefined ||
    mount.options?.some((option) => option === "idmap" || option === "ridmap") === true
  );
}

function idMapProblem(mount: Mount, hasUserNamespace: boolean): string | undefined {
  if (!isIdMapped(mount)) return undefined;
  if (!parseMountOptions(mount.options ?? []).bind)
    return "id-mapped mounts are only supported for bind mounts";
  const { uidMappings = [], gidMappings = [] } = mount;
  if ((uidMappings.length === 0) !== (gidMappings.length === 0)) {
    return "id-mapped mounts need both uidMappings and gidMappings";
  }
  if (uidMappings.length === 0 && !hasUserNamespace) {
    return "an id-mapped mount needs uidMappings and gidMappings, or a user namespace to take them from";
  }
  if ([...uidMappings, ...gidMappings].some(({ size }) => size === 0))
    return "a mapping has size 0";
  return undefined;
}

function badMount({ spec, has }: Subject): string | undefined {
  for (const [index, mount] of (spec.mounts ?? []).entries()) {
    const problem =
      mount.destination === "" ? "destination must not be empty" : idMapProblem(mount, has("user"));
    if (problem !== undefined) return `mounts[${index}] (${mount.destination}): ${problem}`;
  }
  return undefined;
}

/**
 * A bind mount has no file system of its own to take options. runc before 1.2 and crun ignore them, later runc
 * refuses them: existing configs have to go on working.
 */
export function* mountWarnings(mounts: readonly Mount[]): Generator<string> {
  for (const { destination, options = [] } of mounts) {
    const { bind, data } = parseMountOptions(options);
    if (bind && data.length > 0)
      yield `bind mount on ${destination}: ignoring file system options ${data.join(",")}`;
  }
}

function relativeHook(hooks: Hooks): string | undefined {
  for (const [kind, list] of Object.entries(hooks)) {
    const found = Array.isArray(list) ? list.findIndex(({ path }) => !path.startsWith("/")) : -1;
    if (found >= 0) return `hooks.${kind}[${found}].path: "${list[found].path}"`;
  }
  return undefined;
}

export const mountRules: readonly Rule[] = [
  { when: badMount, message: (what) => what },
  {
    when: ({ spec }) => spec.hooks && relativeHook(spec.hooks),
    message: (what) => `${what} is not an absolute path`,
  },
];
