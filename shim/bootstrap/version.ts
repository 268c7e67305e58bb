/** `-v`: what this shim is, in the form of containerd's own. */
import { writeOut } from "../../runtime/base/stdio.ts";
import { commit, version } from "../../runtime/base/version.ts";

/** Prints the lines; out: the exit status. */
export function printVersion(): number {
  const bun = process.versions["bun"];
  const engine = bun === undefined ? `Node ${process.versions.node}` : `Bun ${bun}`;
  writeOut(
    `containerd-shim-tsrunc-v2:\n  Version:  ${version}\n  Revision: ${commit}\n  Engine:   ${engine}\n\n`,
  );
  return 0;
}
