/** `--version`, in the shape that runc's callers parse. */
import { commit, specVersion, version } from "../base/version.ts";

/** The engine this runs on, as a line `bun: 1.2.3`. */
function engineLine(): string {
  const bun = process.versions["bun"];
  return bun === undefined ? `node: ${process.versions.node}\n` : `bun: ${bun}\n`;
}

/**
 * The lines of --version: name and version first, then `commit: `, `spec: `, and what it is built from.
 * @param libseccomp its version, undefined when the addon is not there.
 */
export function versionText(libseccomp: string | undefined): string {
  return (
    `tsrunc version ${version}\n` +
    (commit === "" ? "" : `commit: ${commit}\n`) +
    `spec: ${specVersion}\n` +
    engineLine() +
    (libseccomp === undefined ? "" : `libseccomp: ${libseccomp}\n`)
  );
}
