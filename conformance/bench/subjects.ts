/** Owns what is measured: the runtimes found here, the comparison executables, and a scratch tree with copies of them. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { benchConfig } from "./config.ts";

export interface Subject {
  readonly name: string;
  readonly executable: string;
  readonly version: string;
  /** Private --root. */
  readonly stateRoot: string;
}

/** Everything the measurements refer to by path. */
export interface Scene {
  readonly directory: string;
  readonly runtimes: readonly Subject[];
  /** Executables that differ from ours in what they load. */
  readonly emptyExecutable: string;
  readonly firstLineExecutable: string;
  /** Bundles: one that ends at once, one that stays. */
  readonly shortBundle: string;
  readonly longBundle: string;
}

const root = join(import.meta.dirname, "../../..");

function found(name: string): string | undefined {
  const directories = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];
  return directories.map((directory) => join(directory, name)).find(existsSync);
}

/**
 * Builds the empty executable and ours cut off at its first line, with the product's own settings.
 * A static import is evaluated before the importer's next one, so `exit.ts` runs when all of main.ts' start-up chunk is
 * loaded and before any of it has run.
 */
function compileComparisons(directory: string): void {
  const sources = join(root, "build/bench");
  mkdirSync(sources, { recursive: true });
  writeFileSync(join(sources, "exit.ts"), "process.exit(0);\n");
  writeFileSync(join(sources, "empty.ts"), 'import "./exit.ts";\n');
  const main = join(root, "runtime/main.ts");
  writeFileSync(join(sources, "first-line.ts"), `import "./exit.ts";\nimport "${main}";\n`);
  for (const name of ["empty", "first-line"]) {
    const entry = join(sources, `${name}.ts`);
    const bun = join(root, "node_modules/.bin/bun");
    const script = join(root, "runtime/build.ts");
    execFileSync(bun, [script, "--entry", entry, "--out", join(directory, name)]);
  }
}

/** Copies an executable, ours with the libexec directory it looks for; fresh copies have the same page cache state. */
function copyRuntime(directory: string, name: string, executable: string): Subject {
  const home = join(directory, name);
  const copy = join(home, "bin", name);
  mkdirSync(dirname(copy), { recursive: true });
  const real = realpathSync(executable);
  cpSync(real, copy);
  const libexec = join(dirname(real), "../libexec/tsrunc");
  if (name === "tsrunc") cpSync(libexec, join(home, "libexec/tsrunc"), { recursive: true });
  const [version = ""] = execFileSync(copy, ["--version"]).toString().split("\n");
  const stateRoot = join(home, "state");
  mkdirSync(stateRoot);
  // As on a real host: state lies in /run, and a file system on disk would write it back.
  execFileSync("mount", ["-t", "tmpfs", "-o", "mode=700", "tmpfs", stateRoot]);
  return { name, executable: copy, version, stateRoot };
}

function makeBundle(directory: string, name: string, args: readonly string[]): string {
  const bundle = join(directory, name);
  const bin = join(bundle, "rootfs/bin");
  mkdirSync(bin, { recursive: true });
  const busybox = found("busybox") ?? "/bin/busybox";
  cpSync(realpathSync(busybox), join(bin, "busybox"));
  for (const applet of ["true", "sleep"]) symlinkSync("busybox", join(bin, applet));
  for (const point of ["proc", "sys", "dev"]) mkdirSync(join(bundle, "rootfs", point));
  writeFileSync(join(bundle, "config.json"), JSON.stringify(benchConfig(args)));
  return bundle;
}

/**
 * Makes the scratch tree. Its owner calls `clear`.
 * @param runtime path of the tsrunc to measure.
 * @param others names of runtimes to compare with, where installed.
 */
export function setScene(runtime: string, others: readonly string[]): Scene {
  const directory = mkdtempSync(join(tmpdir(), "tsrunc-bench-"));
  const runtimes = [copyRuntime(directory, "tsrunc", runtime)];
  for (const name of others) {
    const executable = found(name);
    if (executable === undefined) process.stderr.write(`bench: skipped: ${name} (not installed)\n`);
    else runtimes.push(copyRuntime(directory, name, executable));
  }
  compileComparisons(directory);
  const scene = {
    directory,
    runtimes,
    emptyExecutable: join(directory, "empty"),
    firstLineExecutable: join(directory, "first-line"),
    shortBundle: makeBundle(directory, "short", ["/bin/true"]),
    longBundle: makeBundle(directory, "long", ["/bin/sleep", "1000"]),
  };
  // 400 MB were just written: no writeback during measurements.
  execFileSync("sync");
  return scene;
}

/** Removes containers that an aborted run has left, then the scratch tree. */
export function clear(scene: Scene, ids: readonly string[]): void {
  for (const { executable, stateRoot } of scene.runtimes) {
    for (const id of ids) {
      try {
        execFileSync(executable, ["--root", stateRoot, "delete", "--force", id], {
          stdio: "ignore",
        });
      } catch {
        // there is no such container, which is the normal case
      }
    }
  }
  for (const { stateRoot } of scene.runtimes) execFileSync("umount", ["--lazy", stateRoot]);
  rmSync(scene.directory, { recursive: true, force: true });
}
