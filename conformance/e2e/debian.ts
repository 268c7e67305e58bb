/**
 * Owns fetching packages of a Debian release and unpacking them, without installing anything: apt does it with lists of its
 * own from the mirror that the host is configured with, so that signatures are checked.
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

/** Where things are kept that are costly to get. */
export function cachePath(name: string): string {
  return join(process.env["TSRUNC_CACHE"] || "/var/cache/tsrunc", name);
}

/** Runs a program to a good end; what it printed. */
export function runProgram(file: string, args: readonly string[], cwd = "/"): string {
  const environment = { ...process.env, LC_ALL: "C" };
  const options = { cwd, env: environment, timeout: 180_000, maxBuffer: 1 << 26 } as const;
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

/** Code name of the host's own release. */
export function hostSuite(): string {
  const release = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  if (release === undefined) throw new Error("/etc/os-release names no release");
  return release;
}

/** The mirror that the host's own release comes from. */
function mirror(): string {
  const release = hostSuite();
  const directory = "/etc/apt/sources.list.d";
  const files = existsSync(directory)
    ? readdirSync(directory).map((name) => join(directory, name))
    : [];
  const sources = ["/etc/apt/sources.list", ...files].filter(existsSync).flatMap((path) => {
    const text = readFileSync(path, "utf8");
    return path.endsWith(".sources") ? paragraphs(text) : oneLine(text);
  });
  const own = sources.find(
    ({ suites, components }) => suites.includes(release) && components.includes("main"),
  );
  if (own === undefined) throw new Error("apt's sources name no mirror of this Debian release");
  return own.uri;
}

/** Flags that make apt-get work in `directory` alone, on one suite. */
function privateApt(directory: string, suite: string): string[] {
  for (const name of ["parts", "lists/partial", "cache/archives/partial"])
    mkdirSync(join(directory, name), { recursive: true });
  const keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
  const source = [
    "Types: deb",
    `URIs: ${mirror()}`,
    `Suites: ${suite}`,
    "Components: main",
    ...(existsSync(keys) ? [`Signed-By: ${keys}`] : []),
  ];
  writeFileSync(join(directory, "parts", "suite.sources"), `${source.join("\n")}\n`);
  writeFileSync(join(directory, "status"), "");
  const settings = {
    "Dir::Etc::SourceList": "/dev/null",
    "Dir::Etc::SourceParts": join(directory, "parts"),
    "Dir::State::Lists": join(directory, "lists"),
    "Dir::State::Status": join(directory, "status"),
    "Dir::Cache": join(directory, "cache"),
    "Acquire::Languages": "none",
    "Debug::NoLocking": "1",
    // There is no user who may write here and could fetch in apt's place.
    "APT::Sandbox::User": "root",
    "APT::Update::Post-Invoke-Success": "",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

export interface Selection {
  /** "sid", "bookworm". */
  readonly suite: string;
  readonly packages: readonly string[];
  /** Takes what the packages depend on, too: then the result can be a root file system. */
  readonly whole: boolean;
}

/** Unpacks packages into `root`, which is made; nothing of them is run. */
export function unpackPackages(root: string, { suite, packages, whole }: Selection): void {
  const work = `${root}.apt`;
  rmSync(work, { recursive: true, force: true });
  const options = ["-q", ...privateApt(work, suite)];
  try {
    runProgram("apt-get", [...options, "update"]);
    const files = join(work, "cache", "archives");
    if (whole) {
      const flags = ["install", "--yes", "--download-only", "--no-install-recommends"];
      runProgram("apt-get", [...options, ...flags, ...packages]);
    } else {
      runProgram("apt-get", [...options, "download", ...packages], files);
    }
    const found = readdirSync(files).filter((name) => name.endsWith(".deb"));
    if (found.length === 0) throw new Error("apt-get has left no package");
    mkdirSync(root, { recursive: true });
    if (whole) mergeUsr(root);
    for (const name of found) runProgram("sh", ["-c", unpack, "sh", join(files, name), root]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Unpacks through links of directories, unlike `dpkg-deb -x`. */
const unpack = 'dpkg-deb --fsys-tarfile "$1" | tar -C "$2" --keep-directory-symlink -xf -';

/** Debian's layout: /bin, /lib and /sbin are links, which the packages expect. */
function mergeUsr(root: string): void {
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    mkdirSync(join(root, "usr", name), { recursive: true });
    runProgram("ln", ["-s", join("usr", name), join(root, name)]);
  }
}

/** Makes `path` by `make(new path)` unless it is there; a failed attempt leaves nothing. */
export function cached(path: string, make: (fresh: string) => void): string {
  if (existsSync(path)) return path;
  const fresh = `${path}.${process.pid}`;
  try {
    rmSync(fresh, { recursive: true, force: true });
    make(fresh);
    renameSync(fresh, path);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return path;
}
