/** Owns known differences: a case that a named runtime fails for a documented reason is listed and not counted as failed. */
import { compareVersions, runtimeIdentity } from "./environment.ts";

type Body = (this: Mocha.Context) => Promise<void> | void;

/** Differences seen in this run, for the summary. */
export const listed: string[] = [];
/** Entries that should have failed but passed: the entry is out of date, or the version bound is wrong. */
export const outdated: string[] = [];

/** True when `which` ("runc", "runc <1.2", "crun") names the runtime under test. */
export function isRuntime(which: string): boolean {
  const [name, bound] = which.split(" ");
  const runtime = runtimeIdentity();
  if (runtime.name !== name) return false;
  if (bound === undefined) return true;
  if (!bound.startsWith("<")) throw new Error(`version bound must be <X: ${which}`);
  return compareVersions(runtime.version, bound.slice(1)) < 0;
}

/**
 * Wraps a case. With the runtime that `which` names it runs all the same: a failure is listed with `reason` (say which part of
 * the spec or which newer version we follow) and shown as pending; a pass is reported as an outdated entry.
 * Wrap repeatedly for several runtimes. `how` is "sometimes" for a race: then a pass is no news.
 */
export function known(
  which: string,
  reason: string,
  body: Body,
  how: "always" | "sometimes" = "always",
): Body {
  return async function (this: Mocha.Context) {
    if (!isRuntime(which)) return body.call(this);
    try {
      await body.call(this);
    } catch (error) {
      if ((error as Error).message?.startsWith("sync skip")) throw error;
      listed.push(`${this.test?.fullTitle()}: ${which}: ${reason}`);
      if (process.env["CONFORMANCE_VERBOSE"]) process.stdout.write(`${String(error)}\n`);
      this.skip();
    }
    if (how === "always") outdated.push(`${this.test?.fullTitle()}: ${which}: ${reason}`);
  };
}
