/** Owns what a run of this suite is about: the shim under test, the containerd that drives it, and differences between them. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compareVersions } from "../../harness/environment.ts";

/** The repository's top: this file is compiled to build/conformance/e2e/containerd/. */
const top = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "..");

/** Runtime under test as containerd names it. */
export const runtimeType = process.env["RUNTIME_TYPE"] || "io.containerd.tsrunc.v2";

/** "tsrunc" or "runc": the name inside the runtime type. */
export const shimName = runtimeType.split(".").at(-2) ?? runtimeType;

/** File name of the shim's executable, as containerd derives it from the type. */
export const shimProgram = `containerd-shim-${runtimeType.split(".").slice(-2).join("-")}`;

/** Directory with containerd, ctr and its own shims; $CONTAINERD_BIN, or where the distribution has them. */
export const containerdBin =
  process.env["CONTAINERD_BIN"] ||
  (process.env["PATH"] ?? "").split(":").find((path) => existsSync(join(path, "containerd"))) ||
  "/usr/bin";

/**
 * PATH of the daemon: containerd looks for shims there before it looks beside itself. $SHIM_BIN names another directory
 * with our shim than the one that `make build` fills.
 */
export const daemonPath = [
  process.env["SHIM_BIN"] || join(top, "dist", "bin"),
  containerdBin,
  process.env["PATH"] ?? "",
  "/usr/sbin:/sbin",
].join(":");

let version: string | undefined;

/** Version of the containerd in use, "1.6.20". */
export function containerdVersion(): string {
  if (version === undefined) {
    const text = execFileSync(join(containerdBin, "containerd"), ["--version"]).toString();
    version = /\bv?(\d+\.\d+\.\d+)/.exec(text)?.[1] ?? "0";
  }
  return version;
}

/** Which subject a known difference is about. */
export interface Which {
  readonly shim?: string;
  /** Versions of containerd below this one. */
  readonly below?: string;
}

function matches({ shim, below }: Which): boolean {
  if (shim !== undefined && shim !== shimName) return false;
  return below === undefined || compareVersions(containerdVersion(), below) < 0;
}

type Body = (this: Mocha.Context) => Promise<void>;

/** Differences seen in this run, for the summary. */
export const listed: string[] = [];
/** Entries that should have failed but passed. */
export const outdated: string[] = [];

/**
 * Wraps a case that the named subject fails for a known reason: it runs all the same, a failure is listed and shown as
 * pending, a pass is reported as an outdated entry. `how` is "sometimes" for a race: then a pass is no news.
 */
export function known(
  which: Which,
  reason: string,
  body: Body,
  how: "always" | "sometimes" = "always",
): Body {
  return async function (this: Mocha.Context) {
    if (!matches(which)) return body.call(this);
    const title = this.test?.fullTitle() ?? "";
    try {
      await body.call(this);
    } catch (error) {
      listed.push(`${title}: ${reason}`);
      if (process.env["CONFORMANCE_VERBOSE"]) process.stdout.write(`${String(error)}\n`);
      this.skip();
    }
    if (how === "always") outdated.push(`${title}: ${reason}`);
  };
}
