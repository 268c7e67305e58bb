/** Errors as containerd and its clients know them: classes that they act on and texts that they search. */
import { type Code, describe, fail, RuntimeError } from "../../runtime/base/errors.ts";

/** dockerd and the CRI take a container that is unknown for deleted. */
export function notCreated(): RuntimeError {
  return fail("NotFound", "container not created");
}

export function noSuchExec(execId: string): RuntimeError {
  return fail("NotFound", `process does not exist ${execId}`);
}

/** Whoever kills takes this for success. */
export function alreadyFinished(): RuntimeError {
  return fail("NotFound", "process already finished");
}

/**
 * Classes with a meaning of their own to callers, which a failing create, start or exec must not have: a NotFound
 * because of a missing program would say that there is no container.
 */
const misleading: Readonly<Partial<Record<Code, true>>> = {
  NotFound: true,
  FailedPrecondition: true,
  DeadlineExceeded: true,
  Unavailable: true,
  Aborted: true,
};

/** The same error without such a class. */
export function withoutClass(error: unknown): unknown {
  if (!(error instanceof RuntimeError) || !misleading[error.code]) return error;
  return new RuntimeError(error.message, { ...error, code: "Unknown", cause: error });
}

/** Classes that a failing verb of the runtime keeps. */
const kept: Readonly<Partial<Record<Code, true>>> = { AlreadyExists: true, Unimplemented: true };

/** What dockerd and people know from runc's shim: `OCI runtime create failed: ...`. In: the verb, anything caught. */
export function runtimeFailure(verb: string, error: unknown): RuntimeError {
  const code = error instanceof RuntimeError && kept[error.code] ? error.code : "Unknown";
  return new RuntimeError(`OCI runtime ${verb} failed: ${describe(error)}`, { code, cause: error });
}
