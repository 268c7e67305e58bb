/** How a command's failure says which command failed, and with which exit status. */
import { RuntimeError, wrap } from "../base/errors.ts";

/**
 * Puts `prefix: ` before an error's text. `exitStatus` is the one to end with unless the error brings its own.
 */
export function prefixed(error: unknown, prefix: string, exitStatus: number): RuntimeError {
  const own = error instanceof RuntimeError ? error.exitStatus : undefined;
  return wrap(error, { op: prefix, exitStatus: own ?? exitStatus });
}
