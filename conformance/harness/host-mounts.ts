/** Owns mounts that a case makes on the host below the scratch tree: made by mount(8), taken away by `unmountAll`. */
import { execFileSync } from "node:child_process";

const made: string[] = [];

function mount(args: readonly string[], target: string): void {
  execFileSync("mount", [...args, target], { stdio: ["ignore", "ignore", "pipe"] });
  made.push(target);
}

/** A bind mount of `source` on an existing `target`. */
export function bindOnHost(source: string, target: string): void {
  mount(["--bind", source], target);
}

/** A tmpfs on an existing directory. */
export function tmpfsOnHost(target: string, options = "mode=0755"): void {
  mount(["-t", "tmpfs", "-o", options, "conformance"], target);
}

/** Changes the propagation of a mount: "shared", "slave", "private". */
export function propagateOnHost(target: string, kind: "shared" | "slave" | "private"): void {
  execFileSync("mount", [`--make-${kind}`, target]);
}

/** For afterEach: takes everything away again, latest first, with what was mounted below. */
export function unmountAll(): void {
  for (const target of made.splice(0).reverse()) {
    execFileSync("umount", ["--recursive", "--lazy", target], { stdio: "ignore" });
  }
}
