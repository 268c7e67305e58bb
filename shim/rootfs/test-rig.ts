/** For the tests of mounts: a reactor, a directory to mount in, and nothing left of either afterwards. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail } from "../../runtime/base/errors.ts";
import { libexecDir, loadNative, type NativeBinding } from "../../runtime/native/binding.ts";
import { PLAN_ABI } from "../../schemas/generated/plan.ts";
import { watchChildren } from "../event-loop/children.ts";
import { startReactor } from "../event-loop/reactor.ts";
import { type MountEnvironment, outcome } from "./environment.ts";
import { parseMount, type RootfsMount } from "./mount-request.ts";

process.env["TSRUNC_LIBEXEC"] ??= `${process.cwd()}/dist/libexec/tsrunc`;

export interface MountRig {
  readonly env: MountEnvironment;
  readonly native: NativeBinding;
  readonly warnings: string[];
  readonly directory: string;
  readonly rootfs: string;
  /** Makes a directory in ours; with files, by name. */
  make(name: string, files?: Readonly<Record<string, string>>): string;
  /** Lines of mountinfo about what is in our directory. */
  mounted(): string[];
  /** Mounts on the root file system as on a kernel that only has mount(2). */
  mountClassic(mount: RootfsMount): Promise<void>;
  end(): void;
}

/** A suite that is skipped, with the reason in its title, where nothing can be mounted. */
export function describeMounts(title: string, tests: (this: Mocha.Suite) => void): void {
  const reason = cannotMount();
  if (reason === undefined) describe(title, tests);
  else describe.skip(`${title} (${reason})`, tests);
}

function cannotMount(): string | undefined {
  if (process.geteuid?.() !== 0) return "mounting needs root";
  return fs.existsSync(`${libexecDir()}/tsrunc.node`) ? undefined : "the addon is not built";
}

function mountsIn(directory: string): string[] {
  const lines = fs.readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.filter((line) => line.split(" ")[4]?.startsWith(`${directory}/`));
}

export function startMountRig(): MountRig {
  const native = loadNative(PLAN_ABI);
  const reactor = startReactor(native);
  const children = watchChildren(native, reactor);
  const warnings: string[] = [];
  const directory = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "shim-rootfs-")));
  const rootfs = join(directory, "rootfs");
  const env: MountEnvironment = {
    native: children.native,
    waiter: reactor.waiter,
    log: { warn: (text) => warnings.push(text) },
  };
  return {
    env,
    native,
    warnings,
    directory,
    rootfs,
    make: (name, files = {}) => {
      const path = join(directory, name);
      fs.mkdirSync(path, { recursive: true });
      for (const [file, text] of Object.entries(files)) fs.writeFileSync(join(path, file), text);
      return path;
    },
    mounted: () => mountsIn(directory),
    mountClassic: async (mount) => {
      fs.mkdirSync(rootfs, { recursive: true });
      const parsed = parseMount(mount, rootfs);
      if (parsed.by !== "kernel") throw fail("Internal", "not a mount of the kernel's");
      await outcome(env, native.mounts.mount({ ...parsed.request, classic: true }));
    },
    end: () => {
      reactor.stop();
      for (const _ of mountsIn(directory)) {
        const last = mountsIn(directory).at(-1)?.split(" ")[4];
        if (last !== undefined) execFileSync("umount", ["-l", last]);
      }
      fs.rmSync(directory, { recursive: true });
    },
  };
}
