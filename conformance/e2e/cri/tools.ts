/** Owns crictl and critest: built from their pinned Go modules, once per version and Go toolchain, outside the tree. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const top = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "..");

/**
 * The module that requires cri-tools, with the checksums of all that is downloaded. v1.26 is the last version that the Go
 * of Debian 12 builds; it speaks version 1 of Kubernetes' interface, as every containerd since 1.6 does.
 */
const moduleDirectory = join(top, "conformance", "e2e", "cri", "cri-tools");
const packages = "github.com/kubernetes-sigs/cri-tools/cmd";

/** Why a program cannot be had here. */
export class Unavailable extends Error {}

/** Where built programs are kept: $TSRUNC_CACHE, /var/cache/tsrunc, or the user's cache where that cannot be written. */
function cacheDirectory(): string {
  const given = process.env["TSRUNC_CACHE"];
  for (const path of given ? [given] : ["/var/cache/tsrunc", join(homedir(), ".cache", "tsrunc")]) {
    try {
      mkdirSync(path, { recursive: true });
      accessSync(path, constants.W_OK);
      return path;
    } catch {
      // the next one
    }
  }
  throw new Unavailable("no directory to keep built programs in");
}

function go(args: readonly string[], directory: string): void {
  const env = { ...process.env, CGO_ENABLED: "0", GOFLAGS: "", GO111MODULE: "on", GOWORK: "off" };
  const { status, stdout, stderr } = spawnSync("go", args, {
    encoding: "utf8",
    cwd: directory,
    env,
  });
  if (status === 0) return;
  const lines = (stderr || stdout).trim().split("\n");
  throw new Unavailable(`go ${args[0]}: ${lines.slice(-3).join(" ")}`);
}

/** What decides about the built program. */
function fingerprint(): string {
  const probe = spawnSync("go", ["version"], { encoding: "utf8" });
  if ((probe.error as NodeJS.ErrnoException | undefined)?.code === "ENOENT")
    throw new Unavailable("Go is not installed (Debian: golang-go)");
  if (probe.error !== undefined) throw probe.error;
  const hash = createHash("sha256").update(probe.stdout);
  for (const name of ["go.mod", "go.sum"]) hash.update(readFileSync(join(moduleDirectory, name)));
  return hash.digest("hex").slice(0, 12);
}

/**
 * Path of crictl or critest, built on first use (two minutes, and the network); later from the cache. $CRICTL and
 * $CRITEST name other ones. Throws `Unavailable` with the reason.
 */
export function criTool(name: "crictl" | "critest"): string {
  const given = process.env[name.toUpperCase()];
  if (given) return given;
  const parent = join(cacheDirectory(), "cri-tools");
  const directory = join(parent, fingerprint());
  const program = join(directory, name);
  if (existsSync(program)) return program;
  mkdirSync(directory, { recursive: true });
  const scratch = mkdtempSync(join(parent, "building-"));
  try {
    cpSync(moduleDirectory, scratch, { recursive: true });
    const verb = name === "critest" ? ["test", "-c"] : ["build"];
    const flags = ["-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", join(scratch, name)];
    go([...verb, ...flags, `${packages}/${name}`], scratch);
    renameSync(join(scratch, name), program);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return program;
}
