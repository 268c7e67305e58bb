/** gRPC's status codes, which ttrpc uses too, and how our errors become one and back. */
import { type Code, describe, errnoOf, fail, RuntimeError } from "../../runtime/base/errors.ts";

export interface Status {
  readonly code: number;
  readonly message: string;
}

const numbers: Readonly<Record<Code, number>> = {
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
};

/** Go's ttrpc maps these errors of the kernel by itself; all others are unknown to it. */
const ofErrno: Readonly<Record<string, Code>> = {
  ENOENT: "NotFound",
  EEXIST: "AlreadyExists",
  EPERM: "PermissionDenied",
  EACCES: "PermissionDenied",
};

/**
 * How containerd's errors of a class end. Its clients look for the text, or show it: 1.x takes it off and puts it on again,
 * 2.x shows what it gets.
 */
const endings: Partial<Readonly<Record<Code, string>>> = {
  NotFound: ": not found",
  AlreadyExists: ": already exists",
  FailedPrecondition: ": failed precondition",
  Unavailable: ": unavailable",
};

function codeOf(error: unknown): Code {
  if (error instanceof RuntimeError) return error.code;
  return ofErrno[errnoOf(error) ?? ""] ?? "Unknown";
}

/** What a client is told about an error that a method threw. */
export function statusOf(error: unknown): Status {
  const code = codeOf(error);
  const text = describe(error);
  const ending = endings[code] ?? "";
  return { code: numbers[code], message: text.endsWith(ending) ? text : text + ending };
}

/** The error that a server's status stands for. */
export function errorOf(status: Status): RuntimeError {
  const known = Object.entries(numbers).find(([, number]) => number === status.code);
  return fail((known?.[0] ?? "Unknown") as Code, status.message);
}
