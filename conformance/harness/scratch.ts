/** Owns the run's temporary tree: state root, the shared root filesystem, and one directory for each bundle. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { probePath } from "./environment.ts";

let base: string | undefined;

/** The run's directory, made on first use. World-searchable: users inside a user namespace must pass through it. */
export function scratch(): string {
  if (base === undefined) {
    base = mkdtempSync(join(process.env["CONFORMANCE_TMP"] ?? tmpdir(), "tsrunc-conformance-"));
    chmodSync(base, 0o755);
  }
  return base;
}

/** The scratch directory if one was made. */
export function scratchIfUsed(): string | undefined {
  return base;
}

/** Removes the scratch directory at the end of the run. */
export function removeScratch(): void {
  if (base !== undefined) rmSync(base, { recursive: true, force: true });
  base = undefined;
}

/** The private --root of the run. The runtime has to make it. */
export function stateRoot(): string {
  return join(scratch(), "state");
}

let serial = 0;

/** A new empty directory in the scratch tree. */
export function scratchDirectory(label: string): string {
  const path = join(scratch(), `${label}-${++serial}`);
  mkdirSync(path, { mode: 0o755 });
  return path;
}

/** A path in the scratch tree that does not exist yet. */
export function scratchPath(label: string): string {
  return join(scratch(), `${label}-${++serial}`);
}

function busybox(): string {
  const found = [process.env["BUSYBOX"], "/bin/busybox", "/usr/bin/busybox"].find(
    (p) => p && existsSync(p),
  );
  if (found === undefined)
    throw new Error("the suite needs a static busybox (Debian: busybox-static)");
  return found;
}

const directories = [
  "bin",
  "dev",
  "etc",
  "home",
  "home/guest",
  "mnt",
  "proc",
  "root",
  "run",
  "sys",
  "usr",
  "var",
  "data",
];

/** Builds a root filesystem: busybox with applet links, /probe, a small /etc, and the usual mount points. */
export function buildRootfs(target: string): string {
  mkdirSync(target, { mode: 0o755 });
  for (const name of directories) mkdirSync(join(target, name), { mode: 0o755 });
  for (const name of ["tmp", "var/tmp"]) {
    mkdirSync(join(target, name));
    chmodSync(join(target, name), 0o1777);
  }
  copyFileSync(busybox(), join(target, "bin", "busybox"));
  chmodSync(join(target, "bin", "busybox"), 0o755);
  const applets = execFileSync(busybox(), ["--list"], { encoding: "utf8" })
    .split("\n")
    .filter(Boolean);
  for (const applet of applets) {
    if (applet !== "busybox") symlinkSync("busybox", join(target, "bin", applet));
  }
  copyFileSync(probePath(), join(target, "probe"));
  chmodSync(join(target, "probe"), 0o755);
  const passwd = "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000:guest:/home/guest:/bin/sh\n";
  writeFileSync(join(target, "etc", "passwd"), passwd);
  writeFileSync(join(target, "etc", "group"), "root:x:0:\nguest:x:1000:\nextra:x:2000:guest\n");
  writeFileSync(join(target, "etc", "hostname"), "probe\n");
  return target;
}

let shared: string | undefined;

/** The root filesystem that all bundles share; they must treat it as read-only. */
export function sharedRootfs(): string {
  shared ??= buildRootfs(join(scratch(), "rootfs"));
  return shared;
}
