/** The form of the rules that JSON Schema cannot express. */
import type { Linux, NamespaceType, Process, Spec } from "../../schemas/generated/config.ts";
import type { Code } from "../base/errors.ts";

/** What rules look at. */
export interface Subject {
  readonly spec: Spec;
  readonly process: Process;
  readonly linux: Linux;
  /** Is such a namespace listed, new or joined? */
  readonly has: (type: NamespaceType) => boolean;
}

/** One thing that must not be. */
export interface Rule<T = Subject> {
  /** Finds the offender and names it; undefined, false or "" when all is well, true when there is nothing to name. */
  readonly when: (subject: T) => string | boolean | undefined;
  /** Default InvalidArgument. */
  readonly code?: Code;
  /** The error's text; `what` is the offender. */
  readonly message: (what: string) => string;
}

/** `when` of a rule about absolute paths: the first that is not, with its place. */
export function relativePath(
  where: string,
  paths: readonly string[] | undefined,
): string | undefined {
  const index = paths?.findIndex((path) => !path.startsWith("/")) ?? -1;
  return index < 0 ? undefined : `${where}[${index}]: "${paths?.[index]}"`;
}

/** The first entry that equals an earlier one. */
export function duplicate(names: readonly string[] | undefined): string | undefined {
  return names?.find((name, index) => names.indexOf(name) !== index);
}

/** For offenders that may be the empty string, which would count as none. */
export function quoted(text: string | undefined): string | undefined {
  return text === undefined ? undefined : `"${text}"`;
}
