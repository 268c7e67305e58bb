/**
 * Owns getting newer programs than the host's release has: packages of Debian sid, unpacked into a cache outside of the tree.
 * As a program it prints their bin directories, separated by colons, or says on standard error why there are none and exits with 1.
 *
 *     node build/conformance/e2e/sid.js containerd containerd
 *     node build/conformance/e2e/sid.js dockerd docker.io docker-cli containerd
 *
 * First comes the program that must run here, then the packages. These are Go programs that need little of the C library and
 * run on older releases as they are. Remove the directory ($TSRUNC_CACHE/sid-PROGRAM, default /var/cache/tsrunc) to get newer ones.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cached, cachePath, runProgram, unpackPackages } from "./debian.ts";

const [program = "", ...packages] = process.argv.slice(2);

function main(): void {
  if (packages.length === 0) throw new Error("usage: sid.js PROGRAM PACKAGE...");
  const cache = cached(cachePath(`sid-${program}`), (fresh) => {
    unpackPackages(join(fresh, "root"), { suite: "sid", packages, whole: false });
  });
  const directories = ["usr/bin", "usr/sbin"]
    .map((name) => join(cache, "root", name))
    .filter(existsSync);
  const path = directories.map((name) => join(name, program)).find(existsSync);
  if (path === undefined) throw new Error(`the packages hold no ${program}`);
  // Fails when the C library here is too old for it.
  runProgram(path, ["--version"]);
  process.stdout.write(`${directories.join(":")}\n`);
}

try {
  main();
} catch (error) {
  const { stderr, message } = error as { stderr?: Buffer; message: string };
  const lines = (stderr?.toString() || message).trim().split("\n");
  process.stderr.write(`no ${program} of Debian sid: ${lines.at(-1)}\n`);
  process.exitCode = 1;
}
