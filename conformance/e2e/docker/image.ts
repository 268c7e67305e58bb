/** Owns the image that most containers run: busybox and the probe. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { buildRootfs, scratchDirectory } from "../../harness/scratch.ts";
import type { Daemon } from "./daemon.ts";

/** Name of the image once imported. */
export const imageName = "e2e/busybox:latest";

let archive: string | undefined;

/** The image's only layer as a tar file. */
function layer(): string {
  if (archive === undefined) {
    const work = scratchDirectory("image");
    const rootfs = buildRootfs(join(work, "rootfs"));
    archive = join(work, "image.tar");
    execFileSync("tar", ["--numeric-owner", "-C", rootfs, "-cf", archive, "."]);
  }
  return archive;
}

/** Makes the image known to a daemon. */
export async function importImage(daemon: Daemon): Promise<void> {
  const changes = ["ENV PATH=/bin:/usr/bin", "ENV IMAGE=e2e", 'CMD ["sh"]'];
  const flags = changes.flatMap((change) => ["--change", change]);
  (await daemon.docker(["import", ...flags, layer(), imageName])).ok();
}
