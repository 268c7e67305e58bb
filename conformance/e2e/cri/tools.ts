/**
 * Owns crictl and critest: built from their pinned Go modules, once per version and Go toolchain, outside the tree. As a
 * program it prints the path of one, or says on standard error why there is none and exits with 1.
 *
 *     node build/conformance/e2e/cri/tools.js crictl
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cached, cachePath } from "../debian.ts";

const top = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "..");

/**
 * The module that requires cri-tools, with the checksums of all that is downloaded. v1.26 is the last version that the Go
 * of Debian 12 builds; it speaks version 1 of Kubernetes' interface, as every containerd since 1.6 does.
 */
const moduleDirectory = join(top, "conformance", "e2e", "cri", "cri-tools");
const packages = "github.com/kubernetes-sigs/cri-tools/cmd";

/** Why a program cannot be had here. */
export class Unavailable extends Error {}

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
  const directory = cached(join(cachePath("cri-tools"), `${name}-${fingerprint()}`), (fresh) => {
    cpSync(moduleDirectory, fresh, { recursive: true });
    const verb = name === "critest" ? ["test", "-c"] : ["build"];
    const flags = ["-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", join(fresh, name)];
    go([...verb, ...flags, `${packages}/${name}`], fresh);
  });
  return join(directory, name);
}

function main(name: string | undefined): void {
  if (name !== "crictl" && name !== "critest") throw new Error(`no tool is called ${name}`);
  try {
    process.stdout.write(`${criTool(name)}\n`);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    process.stderr.write(`${name}: ${error.message}\n`);
    process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv[2]);
