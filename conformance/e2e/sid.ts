/**
 * Owns getting newer programs than the host's release has: packages of Debian sid, unpacked into a cache outside of the tree.
 * As a program it prints their bin directories, separated by colons, or says on standard error why there are none and exits with 1.
 *
 *     node build/conformance/e2e/sid.js containerd containerd
 *     node build/conformance/e2e/sid.js dockerd docker.io docker-cli containerd
 *
 * First comes the program that must run here, then the packages. apt fetches them with lists of its own from the mirror that
 * the host is configured with, so that their signature is checked and nothing is installed. These are Go programs that need
 * little of the C library and run on older releases as they are. Remove the directory ($TSRUNC_CACHE/sid-PROGRAM, default
 * /var/cache/tsrunc) to get newer ones.
 */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

const [program = "", ...packages] = process.argv.slice(2);
const cache = join(process.env["TSRUNC_CACHE"] || "/var/cache/tsrunc", `sid-${program}`);

function run(file: string, args: readonly string[], cwd = "/"): string {
  const environment = { ...process.env, LC_ALL: "C" };
  const options = { cwd, env: environment, timeout: 120_000 } as const;
  return execFileSync(file, args, { ...options, stdio: ["ignore", "pipe", "pipe"] }).toString();
}

/** A source of packages as apt's files tell. */
interface Source {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
}

/** One-line entries: `deb [options] URI suite component...`. */
function oneLine(text: string): Source[] {
  return text.split("\n").flatMap((line) => {
    const [, uri, suite, components] =
      /^deb\s+(?:\[.*?\]\s+)?(\S+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (uri === undefined || suite === undefined) return [];
    return [{ uri, suites: [suite], components: (components ?? "").split(/\s+/) }];
  });
}

/** deb822 paragraphs. */
function paragraphs(text: string): Source[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => {
    const field = (name: string) =>
      new RegExp(`^${name}:\\s*(.*)$`, "im").exec(paragraph)?.[1]?.trim().split(/\s+/) ?? [];
    return field("URIs").map((uri) => ({
      uri,
      suites: field("Suites"),
      components: field("Components"),
    }));
  });
}

/** The mirror that the host's own release comes from. */
function mirror(): string {
  const release = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  const directory = "/etc/apt/sources.list.d";
  const files = existsSync(directory)
    ? readdirSync(directory).map((name) => join(directory, name))
    : [];
  const sources = ["/etc/apt/sources.list", ...files].filter(existsSync).flatMap((path) => {
    const text = readFileSync(path, "utf8");
    return path.endsWith(".sources") ? paragraphs(text) : oneLine(text);
  });
  const own = sources.find(
    ({ suites, components }) => suites.includes(release ?? "") && components.includes("main"),
  );
  if (own === undefined) throw new Error("apt's sources name no mirror of this Debian release");
  return own.uri;
}

/** Downloads and unpacks into a new directory. */
function fetch(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  for (const name of ["parts", "lists/partial", "cache/archives/partial"])
    mkdirSync(join(directory, name), { recursive: true });
  const keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
  const source = [
    "Types: deb",
    `URIs: ${mirror()}`,
    "Suites: sid",
    "Components: main",
    ...(existsSync(keys) ? [`Signed-By: ${keys}`] : []),
  ];
  writeFileSync(join(directory, "parts", "sid.sources"), `${source.join("\n")}\n`);
  const settings = {
    "Dir::Etc::SourceList": "/dev/null",
    "Dir::Etc::SourceParts": join(directory, "parts"),
    "Dir::State::Lists": join(directory, "lists"),
    "Dir::Cache": join(directory, "cache"),
    "Acquire::Languages": "none",
    // There is no user who may write here and could fetch in apt's place.
    "APT::Sandbox::User": "root",
    "APT::Update::Post-Invoke-Success": "",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  run("apt-get", ["-q", ...options, "update"]);
  run("apt-get", ["-q", ...options, "download", ...packages], directory);
  const files = readdirSync(directory).filter((name) => name.endsWith(".deb"));
  if (files.length === 0) throw new Error("apt-get download has left no package");
  for (const file of files) run("dpkg-deb", ["-x", join(directory, file), join(directory, "root")]);
  for (const name of ["parts", "lists", "cache", ...files])
    rmSync(join(directory, name), { recursive: true });
}

function main(): void {
  if (packages.length === 0) throw new Error("usage: sid.js PROGRAM PACKAGE...");
  if (!existsSync(join(cache, "root"))) {
    const fresh = `${cache}.${process.pid}`;
    try {
      fetch(fresh);
      rmSync(cache, { recursive: true, force: true });
      renameSync(fresh, cache);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
  }
  const directories = ["usr/bin", "usr/sbin"]
    .map((name) => join(cache, "root", name))
    .filter(existsSync);
  const path = directories.map((name) => join(name, program)).find(existsSync);
  if (path === undefined) throw new Error(`the packages hold no ${program}`);
  // Fails when the C library here is too old for it.
  run(path, ["--version"]);
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
