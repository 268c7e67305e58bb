/** A runtime that is itself in a chroot: its containers must not reach what lies outside of it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { sleeper } from "../harness/container.ts";
import { known } from "../harness/differences.ts";
import { scratchDirectory } from "../harness/scratch.ts";

/** Runs the command in a chroot that shows all of the host but is not its root, in a mount namespace of its own. */
function inChroot(): string[] {
  const root = scratchDirectory("chroot");
  const script = 'mount --rbind / "$0" && exec chroot "$0" "$@"';
  return ["unshare", "--mount", "sh", "-c", script, root];
}

describe("a runtime in a chroot", () => {
  it(
    "exec ends up in the container's root, not in the mount namespace's own",
    known("runc", "setns(2) leads it to the root of the host", () => {
      const wrapper = inChroot();
      const c = sleeper();
      c.create([], { wrapper }).ok();
      c.start().ok();
      const marker = join(c.bundle.path, "outside");
      writeFileSync(marker, "");
      expect(c.exec(["/probe", "open", marker]).ok().stdout).to.contain("ENOENT");
      expect(c.exec(["/bin/ls", "/"]).ok().stdout).to.contain("probe");
    }),
  );
});
