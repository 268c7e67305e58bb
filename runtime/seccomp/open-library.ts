/** Opens the seccomp addon for tests, from the built tree when TSRUNC_LIBEXEC does not say otherwise. */
import { existsSync } from "node:fs";
import { loadSeccompLibrary, type SeccompLibrary, seccompLibraryPath } from "./library.ts";

/** The addon; skips the test or suite, with the reason in its title, when it has not been built. */
export function openLibraryOrSkip(context: Mocha.Context): SeccompLibrary {
  process.env["TSRUNC_LIBEXEC"] ??= `${process.cwd()}/dist/libexec/tsrunc`;
  const path = seccompLibraryPath();
  if (!existsSync(path)) {
    const test = context.currentTest ?? context.test;
    if (test !== undefined) test.title += ` (skipped: ${path} is not built)`;
    context.skip();
  }
  return loadSeccompLibrary();
}
