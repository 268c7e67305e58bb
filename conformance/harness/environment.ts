/** Owns what a run of the suite is about: the runtime under test, its name and version, and the switches from the environment. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's top: this file is compiled to build/conformance/harness/. */
const top = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");

/** Absolute path of the runtime under test: $RUNTIME, or the one that `make build` leaves. */
export const runtimePath = process.env["RUNTIME"] || join(top, "dist", "bin", "tsrunc");

/** Global flags put before each command, from $RUNTIME_FLAGS (for example "--systemd-cgroup"). */
export const runtimeFlags = (process.env["RUNTIME_FLAGS"] ?? "").split(" ").filter(Boolean);

/** Every process that the suite starts carries this in its environment, so that one left behind is found. */
export const runToken = `CONFORMANCE_RUN=${process.pid}-${Date.now()}`;

/** Prefix of the ids of all containers of this run. */
export const idPrefix = `cfm${process.pid}t`;

export interface RuntimeIdentity {
  readonly name: string;
  /** Numbers only, "1.1.5" of "1.1.5+ds1". */
  readonly version: string;
}

let identity: RuntimeIdentity | undefined;

/**
 * Reads the name and version from the first line of `--version` ("runc version 1.1.5+ds1"). Throws when the runtime
 * cannot be run at all.
 */
export function runtimeIdentity(): RuntimeIdentity {
  if (identity === undefined) {
    const text = execFileSync(runtimePath, ["--version"], { encoding: "utf8" });
    const match = /^(\S+) version v?(\d+(?:\.\d+)*)/.exec(text);
    if (match?.[1] === undefined || match[2] === undefined) {
      throw new Error(`${runtimePath} --version: no "NAME version X" in ${JSON.stringify(text)}`);
    }
    identity = { name: match[1], version: match[2] };
  }
  return identity;
}

/** Compares dotted versions; negative when `a` is older. */
export function compareVersions(a: string, b: string): number {
  const left = a.split(".").map(Number);
  const right = b.split(".").map(Number);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function newestSource(directory: string): number {
  const times = readdirSync(directory).map((name) => statSync(join(directory, name)).mtimeMs);
  return Math.max(...times);
}

let probe: string | undefined;

/**
 * Path of the static probe program. `make build` makes it; when it is missing or older than its sources it is compiled
 * here, so that the suite can be run alone. $CONFORMANCE_PROBE names another one.
 */
export function probePath(): string {
  if (probe !== undefined) return probe;
  const given = process.env["CONFORMANCE_PROBE"];
  const built = join(top, "build", "conformance-probe");
  const sources = join(top, "conformance", "harness", "probe");
  if (given === undefined && existsSync(sources)) {
    if (!existsSync(built) || statSync(built).mtimeMs < newestSource(sources)) {
      const files = readdirSync(sources).filter((name) => name.endsWith(".c"));
      const flags = ["-std=gnu17", "-O2", "-static", "-Wall", "-Wextra", "-o", built];
      execFileSync("musl-gcc", [...flags, ...files], { cwd: sources, stdio: "inherit" });
    }
  }
  probe = given ?? built;
  return probe;
}
