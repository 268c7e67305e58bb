/**
 * Checks parsed JSON: ajv's standalone validators decide, the table of shapes explains a refusal.
 *
 * Every create does this in a cold process. Medians of 200 interleaved runs, Bun executable with bytecode: the time to load
 * spec/load.ts with its imports, plus the first loadSpec; before the arrow, the table decided alone (10 kB of code, not 50):
 *
 *     a config of dockerd's kind (4 kB)    1.54 -> 1.63 ms, 1.60 -> 1.67 ms, 1.70 -> 1.79 ms (three rounds)
 *     with a long seccomp profile (15 kB)  1.83 -> 1.86 ms
 *
 * Leaving the explanation and its table out changes nothing that can be measured: they are text until they are used, so
 * a refusal can be explained without import(), which would make every caller asynchronous.
 */
import { explain, type Refusal, type Violation } from "./explain.ts";
import type { LinuxResources, Process, Spec } from "./generated/config.ts";
import { acceptsLinuxResources, acceptsProcess, acceptsSpec } from "./generated/validate-config.ts";

/** The documents that come from outside. */
export interface Documents {
  readonly Spec: Spec;
  readonly Process: Process;
  readonly LinuxResources: LinuxResources;
}

interface Validator {
  (value: unknown): boolean;
  /** Set by a call that returned false. */
  readonly errors?: readonly Refusal[] | null;
}

const validators: Readonly<Record<keyof Documents, Validator>> = {
  Spec: acceptsSpec,
  Process: acceptsProcess,
  LinuxResources: acceptsLinuxResources,
};

const noDetails: Refusal = { instancePath: "", keyword: "" };

/** Nesting allowed in a document; what the specification knows has 8 levels. */
const maximumDepth = 64;

type JsonObject = Record<string, unknown>;

/**
 * Removes null members, but not null entries of lists: Go programs write null for what they left out.
 * Returns the first thing that lies more than `left` levels down.
 */
function stripNulls(value: object, left: number): Violation | undefined {
  if (left === 0) return { path: [], expected: "less nesting", found: value };
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      // Lists of names are long in seccomp profiles: no call for those.
      if (typeof value[i] !== "object" || value[i] === null) continue;
      const deep = stripNulls(value[i], left - 1);
      if (deep !== undefined) return { ...deep, path: [i, ...deep.path] };
    }
    return undefined;
  }
  for (const key in value) {
    const member = (value as JsonObject)[key];
    if (member === null) {
      delete (value as JsonObject)[key];
    } else if (typeof member === "object") {
      const deep = stripNulls(member, left - 1);
      if (deep !== undefined) return { ...deep, path: [key, ...deep.path] };
    }
  }
  return undefined;
}

/**
 * Checks a document fresh from parseJson and removes null members of it, which mean "absent".
 * Calls `refuse` with the first violation and throws what that returns.
 */
export function validate<Name extends keyof Documents>(
  name: Name,
  value: unknown,
  refuse: (violation: Violation) => Error,
): asserts value is Documents[Name] {
  const isTree = typeof value === "object" && value !== null;
  const deep = isTree ? stripNulls(value, maximumDepth) : undefined;
  if (deep !== undefined) throw refuse(deep);
  const accepts = validators[name];
  if (accepts(value)) return;
  throw refuse(explain(name, value, accepts.errors?.[0] ?? noDetails));
}
