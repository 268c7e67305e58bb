/** What `tsrunc features` and `--version` say about seccomp. */
import type { SeccompFeatures } from "../../schemas/generated/features.ts";
import { actions, architectures, FLAG_NEW_LISTENER, flags, operators } from "./constants.ts";
import { loadSeccompLibrary, type SeccompLibrary } from "./library.ts";

/** `linux.seccomp` of the features structure (features-linux.md). Names in runc's order; actions and flags are those which the running kernel accepts. */
export function seccompFeatures(library: SeccompLibrary | undefined = tryLoad()): SeccompFeatures {
  if (library === undefined) return { enabled: false };
  return {
    enabled: true,
    actions: names(actions, (action) => library.hasAction(action)),
    operators: names(operators, () => true),
    archs: names(architectures, (arch) => library.hasArch(arch)),
    knownFlags: names(flags, () => true),
    supportedFlags: names(flags, (flag) => supported(flag, library)),
  };
}

/** `2.5.4` for the `libseccomp:` line, undefined when the addon is not installed. */
export function seccompLibraryVersion(): string | undefined {
  return tryLoad()?.version;
}

function tryLoad(): SeccompLibrary | undefined {
  try {
    return loadSeccompLibrary();
  } catch {
    return undefined;
  }
}

/** Keys whose value passes; the tables are written in sorted order. */
function names<Name extends string>(
  table: Readonly<Record<Name, number>>,
  passes: (value: number) => boolean,
): Name[] {
  return (Object.keys(table) as Name[]).filter((name) => passes(table[name]));
}

/** WAIT_KILLABLE_RECV is refused without a listener, so that each flag is asked for with one. */
function supported(flag: number, library: SeccompLibrary): boolean {
  return flag === 0 || library.hasFlags(flag) || library.hasFlags(flag | FLAG_NEW_LISTENER);
}
