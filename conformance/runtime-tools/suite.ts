/** Fetches opencontainers/runtime-tools as a Go module and builds its programs, once per version and Go toolchain. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { arch, homedir } from "node:os";
import { join } from "node:path";

const moduleName = "github.com/opencontainers/runtime-tools";

/**
 * The newest revision that Go 1.19 (Debian 12) builds: the later ones need 1.21 and differ in style only; the last
 * release, v0.9.0, has the same 58 programs but no go.mod, and six years of fixes less.
 */
const moduleVersion = "v0.9.1-0.20250303011046-260e151b8552";
const moduleSum = "h1:CkXngT0nixZqQUPDVfwVs3GiuhfTqCMk0V+OoHpxIvA=";

const goArchitectures: Record<string, string> = { x64: "amd64", ia32: "386" };

/** What running the suite needs. */
export interface Suite {
  /** Where the programs are started: holds runtimetest and the rootfs archive. */
  readonly directory: string;
  /** Names of the programs in `directory`/programs. */
  readonly programs: readonly string[];
  readonly version: string;
}

/** Why the suite cannot be had here. */
export class Unavailable extends Error {}

function go(args: readonly string[], directory?: string): string {
  const { status, stdout, stderr } = spawnSync("go", args, {
    encoding: "utf8",
    env: { ...process.env, CGO_ENABLED: "0", GO111MODULE: "on", GOWORK: "off" },
    ...(directory === undefined ? {} : { cwd: directory }),
  });
  if (status !== 0) {
    throw new Unavailable(`go ${args.slice(0, 2).join(" ")}: ${lastLine(stderr || stdout)}`);
  }
  return stdout;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

/** Downloads the module into Go's cache and returns its directory; fails when its content is not the pinned one. */
function fetchModule(scratch: string): string {
  const answer: unknown = JSON.parse(
    go(["mod", "download", "-json", `${moduleName}@${moduleVersion}`], scratch),
  );
  const { Dir: directory, Sum: sum } = answer as { Dir: string; Sum: string };
  if (sum !== moduleSum) throw new Error(`${moduleName}@${moduleVersion} has changed: ${sum}`);
  return directory;
}

/** Builds into a new directory and moves it to its place when it is whole. */
function build(target: string, parent: string): void {
  const scratch = mkdtempSync(join(parent, "building-"));
  try {
    const source = fetchModule(scratch);
    const archive = `rootfs-${goArchitectures[arch()]}.tar.gz`;
    if (!existsSync(join(source, archive))) {
      throw new Unavailable(`the suite has no root file system for ${arch()}`);
    }
    copyFileSync(join(source, archive), join(scratch, archive));
    const programs = join(scratch, "programs");
    mkdirSync(programs);
    const output = ["-mod=readonly", "-trimpath", "-o"];
    go(["build", ...output, join(scratch, "runtimetest"), "./cmd/runtimetest"], source);
    // With several packages and a directory as output, go builds the commands and leaves the libraries out.
    go(["build", ...output, `${programs}/`, "./validation/..."], source);
    rmSync(target, { recursive: true, force: true });
    renameSync(scratch, target);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The built suite, from the cache where it has been built before. Throws `Unavailable` with the reason. */
export function prepareSuite(): Suite {
  const probe = spawnSync("go", ["version"], { encoding: "utf8" });
  const { code } = (probe.error ?? {}) as NodeJS.ErrnoException;
  if (code === "ENOENT") throw new Unavailable("Go is not installed (Debian: golang-go)");
  if (probe.error !== undefined) throw probe.error;
  const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  const parent = join(cache, "tsrunc", "runtime-tools");
  const toolchain = createHash("sha256").update(probe.stdout).digest("hex").slice(0, 8);
  const directory = join(parent, `${moduleVersion}-${toolchain}`);
  mkdirSync(parent, { recursive: true });
  if (!existsSync(directory)) build(directory, parent);
  const programs = readdirSync(join(directory, "programs")).sort();
  return { directory, programs, version: moduleVersion };
}
