/** What `tsrunc features` and `--version` say about seccomp. */
import { actions, architectures, FLAG_NEW_LISTENER, flags, operators } from "./constants.ts";
import { loadSeccompLibrary, type SeccompLibrary } from "./library.ts";

/** `linux.seccomp` of the features structure (runtime-spec features-linux.md). */
export interface SeccompFeatures {
  enabled: boolean;
  actions?: string[];
  operators?: string[];
  archs?: string[];
  knownFlags?: string[];
  supportedFlags?: string[];
}

/** Names in runc's order; actions and flags are those which the running kernel accepts. */
export function seccompFeatures(library: SeccompLibrary | undefined = tryLoad()): SeccompFeatures {
  if (library === undefined) return { enabled: false };
  return {
    enabled: true,
    actions: names(actions, (action) => library.hasAction(action)),
    operators: names(operators, () => true),
    archs: names(architectures, (arch) => library.hasArch(arch)),
    knownFlags: Object.keys(flags),
    supportedFlags: Object.keys(flags).filter((name) => supported(name, library)),
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
function names(
  table: Readonly<Record<string, number>>,
  passes: (value: number) => boolean,
): string[] {
  return Object.keys(table).filter((name) => passes(table[name] as number));
}

/** WAIT_KILLABLE_RECV is refused without a listener, so that each flag is asked for with one. */
function supported(name: string, library: SeccompLibrary): boolean {
  const bit = flags[name] as number;
  return bit === 0 || library.hasFlags(bit) || library.hasFlags(bit | FLAG_NEW_LISTENER);
}
