/** How a command's failure says which command failed, and with which exit status. */
import { RuntimeError } from "../base/errors.ts";

/**
 * Puts `prefix: ` before an error's text. Its facts stay; `exitStatus` is the one to end with unless the error
 * brings its own.
 */
export function prefixed(error: unknown, prefix: string, exitStatus: number): RuntimeError {
  if (!(error instanceof RuntimeError)) {
    const text = error instanceof Error ? error.message : String(error);
    return new RuntimeError(`${prefix}: ${text}`, { code: "Internal", exitStatus, cause: error });
  }
  return new RuntimeError(`${prefix}: ${error.message}`, {
    code: error.code,
    exitStatus: error.exitStatus ?? exitStatus,
    cause: error,
    ...(error.op === undefined ? {} : { op: error.op }),
    ...(error.path === undefined ? {} : { path: error.path }),
    ...(error.errno === undefined ? {} : { errno: error.errno }),
    ...(error.syscall === undefined ? {} : { syscall: error.syscall }),
    ...(error.stage === undefined ? {} : { stage: error.stage }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
