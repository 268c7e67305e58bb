/** Owns what a case may demand of the machine, and skipping with a reason when the machine does not offer it. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { compareVersions, runtimePath } from "./environment.ts";

export interface HostFacts {
  /** Root of the machine; root of a user namespace does not count. */
  readonly root: boolean;
  /** An ordinary user, whose containers need a user namespace. */
  readonly rootless: boolean;
  /** hybrid is v1 with an extra cgroup2 mount; it counts as v1. */
  readonly cgroup: "v1" | "v2" | "none";
  /** Controllers that containers can use. */
  readonly controllers: readonly string[];
  readonly kernel: string;
  readonly userns: boolean;
  readonly seccomp: boolean;
  readonly apparmor: boolean;
  readonly selinux: boolean;
  /** Effective capabilities of the suite, lower 64 bits. */
  readonly capabilities: bigint;
}

/** What a case needs; all given members must hold. */
export interface Needs {
  root?: boolean;
  /** Root of the machine or of a user namespace. */
  rootless?: false;
  cgroup?: "v1" | "v2";
  controllers?: readonly string[];
  /** Oldest kernel, "5.12". */
  kernel?: string;
  userns?: boolean;
  seccomp?: boolean;
  apparmor?: boolean;
  selinux?: boolean;
  /** Processor architecture in node's words, "x64". */
  arch?: string;
  /** A host file that must exist. */
  file?: string;
  /** A host program in PATH. */
  program?: string;
  /** A host command that must succeed as such: file and arguments. */
  works?: readonly [string, ...string[]];
  /** A command (`events`) or a flag of a command (`create --pidfd-socket`) of the runtime. */
  command?: string;
  /** A capability of the suite itself, by number: 24 is CAP_SYS_RESOURCE. */
  capability?: number;
}

function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

function cgroupMode(mountinfo: string): "v1" | "v2" | "none" {
  if (/ \/sys\/fs\/cgroup .* - cgroup2 /.test(mountinfo)) return "v2";
  return / - cgroup /.test(mountinfo) ? "v1" : "none";
}

function isMachineRoot(): boolean {
  const isInitialNamespace = /^\s*0\s+0\s+4294967295$/m.test(readText("/proc/self/uid_map"));
  return process.getuid?.() === 0 && isInitialNamespace;
}

function controllersOf(mode: "v1" | "v2" | "none"): string[] {
  if (mode === "v2") {
    // an ordinary user has those that were delegated to where it is
    const own = isMachineRoot()
      ? ""
      : (/^0::(.*)$/m.exec(readText("/proc/self/cgroup"))?.[1] ?? "");
    return readText(`/sys/fs/cgroup${own}/cgroup.controllers`).trim().split(" ");
  }
  const rows = readText("/proc/self/cgroup").trim().split("\n");
  return rows
    .flatMap((row) => (row.split(":")[1] ?? "").split(","))
    .filter((name) => name && !name.includes("="));
}

let facts: HostFacts | undefined;

/** Reads the machine once. */
export function hostFacts(): HostFacts {
  if (facts === undefined) {
    const cgroup = cgroupMode(readText("/proc/self/mountinfo"));
    const status = readText("/proc/self/status");
    facts = {
      root: isMachineRoot(),
      rootless: process.getuid?.() !== 0,
      cgroup,
      controllers: controllersOf(cgroup),
      kernel: (/^[\d.]+/.exec(release())?.[0] ?? "0").replace(/\.$/, ""),
      userns:
        existsSync("/proc/self/ns/user") &&
        readText("/proc/sys/user/max_user_namespaces").trim() !== "0",
      seccomp: /^Seccomp:/m.test(status),
      apparmor: readText("/sys/module/apparmor/parameters/enabled").startsWith("Y"),
      selinux: existsSync("/sys/fs/selinux/enforce"),
      capabilities: BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(status)?.[1] ?? "0"}`),
    };
  }
  return facts;
}

function hasProgram(name: string): boolean {
  const path = process.env["PATH"] ?? "";
  return path.split(":").some((directory) => existsSync(`${directory}/${name}`));
}

function succeeds([file, ...args]: readonly [string, ...string[]]): boolean {
  return spawnSync(file, args, { stdio: "ignore" }).status === 0;
}

function runtimeOffers(command: string): boolean {
  const [verb, flag] = command.split(" ");
  try {
    const help = execFileSync(runtimePath, [verb ?? "", "--help"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return flag === undefined || help.includes(flag);
  } catch {
    return false;
  }
}

/** What is missing for `needs`, as texts for the report; empty when nothing is. */
export function missing(needs: Needs): string[] {
  const host = hostFacts();
  const lacks: string[] = [];
  const demand = (name: string, holds: boolean) => {
    if (!holds) lacks.push(name);
  };
  for (const name of ["root", "rootless", "userns", "seccomp", "apparmor", "selinux"] as const) {
    if (needs[name] !== undefined)
      demand(needs[name] ? name : `no ${name}`, host[name] === needs[name]);
  }
  if (needs.cgroup) demand(`cgroup ${needs.cgroup}`, host.cgroup === needs.cgroup);
  for (const name of needs.controllers ?? [])
    demand(`cgroup controller ${name}`, host.controllers.includes(name));
  if (needs.arch) demand(`architecture ${needs.arch}`, process.arch === needs.arch);
  if (needs.kernel)
    demand(`kernel ${needs.kernel}`, compareVersions(host.kernel, needs.kernel) >= 0);
  if (needs.file) demand(`file ${needs.file}`, existsSync(needs.file));
  if (needs.program) demand(`program ${needs.program}`, hasProgram(needs.program));
  if (needs.works) demand(`working ${needs.works.join(" ")}`, succeeds(needs.works));
  if (needs.command) demand(`runtime command ${needs.command}`, runtimeOffers(needs.command));
  if (needs.capability !== undefined) {
    demand(
      `capability ${needs.capability}`,
      ((host.capabilities >> BigInt(needs.capability)) & 1n) === 1n,
    );
  }
  return lacks;
}

/**
 * $CONFORMANCE_STRICT names the capabilities that this lane promises, comma separated as in the skip texts ("root,cgroup v2"),
 * or "all". Lacking one of these is a failure.
 */
function isPromised(lack: string): boolean {
  const promised = (process.env["CONFORMANCE_STRICT"] ?? "").split(",").map((name) => name.trim());
  return promised.includes("all") || promised.includes(lack);
}

/** Reasons of all skips so far, for the summary. */
export const skips: string[] = [];

/**
 * A function for `before()`, `beforeEach()` or `.call(this)` in a case: skips what follows, with a printed reason, when the
 * machine lacks something of `needs`; throws instead when the lane promises it.
 */
export function requires(needs: Needs): (this: Mocha.Context) => void {
  return function (this: Mocha.Context) {
    const lacks = missing(needs);
    if (lacks.length === 0) return;
    const title = this.currentTest?.fullTitle() ?? this.test?.fullTitle() ?? "";
    const reason = `${title.replace(/ "before (all|each)" hook.*/, "")}: needs ${lacks.join(", ")}`;
    if (lacks.some(isPromised))
      throw new Error(`promised by this lane, but missing: ${lacks.join(", ")}`);
    skips.push(reason);
    this.skip();
  };
}
