/** Owns bundles: the base config (what an engine asks of a plain container) and writing it beside a root filesystem. */
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ownMappings } from "./id-mappings.ts";
import { hostFacts } from "./requires.ts";
import { scratchDirectory, sharedRootfs } from "./scratch.ts";

/** A config.json as plain data. Only the parts that cases edit have a type; the rest is open. */
export interface Config {
  ociVersion: string;
  process: ProcessConfig;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  mounts: MountConfig[];
  hooks?: Partial<Record<HookName, HookConfig[]>>;
  annotations?: Record<string, string>;
  linux: LinuxConfig;
  [other: string]: unknown;
}

export type HookName =
  | "prestart"
  | "createRuntime"
  | "createContainer"
  | "startContainer"
  | "poststart"
  | "poststop";

export interface HookConfig {
  path: string;
  args?: string[];
  env?: string[];
  timeout?: number;
}

export interface ProcessConfig {
  terminal?: boolean;
  consoleSize?: { height: number; width: number };
  user: { uid: number; gid: number; umask?: number; additionalGids?: number[] };
  args: string[];
  env: string[];
  cwd: string;
  capabilities?: Partial<Record<CapabilitySet, string[]>>;
  rlimits?: { type: string; soft: number; hard: number }[];
  noNewPrivileges?: boolean;
  [other: string]: unknown;
}

export type CapabilitySet = "bounding" | "effective" | "inheritable" | "permitted" | "ambient";

export interface MountConfig {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
  [other: string]: unknown;
}

export interface LinuxConfig {
  namespaces: { type: string; path?: string }[];
  resources: Record<string, unknown>;
  maskedPaths?: string[];
  readonlyPaths?: string[];
  cgroupsPath?: string;
  [other: string]: unknown;
}

/** Docker's default capabilities. */
export const defaultCapabilities = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

export const maskedPaths = [
  "/proc/acpi",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
];

export const readonlyPaths = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

const plain = ["nosuid", "noexec", "nodev"];

/** The file systems in /dev and /sys, as every engine and `runc spec` ask for them. */
export function kernelMounts(): MountConfig[] {
  return [
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    {
      destination: "/dev/shm",
      type: "tmpfs",
      source: "shm",
      options: [...plain, "mode=1777", "size=65536k"],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: [...plain] },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...plain, "ro"] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: [...plain, "relatime", "ro"],
    },
  ];
}

function baseMounts(): MountConfig[] {
  return [
    { destination: "/proc", type: "proc", source: "proc", options: [...plain] },
    ...kernelMounts(),
    {
      destination: "/tmp",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "nodev", "mode=1777"],
    },
  ];
}

/** A new copy of the base config: the probe's whole report as PID 1 of a container such as Docker makes one. */
export function baseConfig(): Config {
  const namespaces = ["pid", "network", "ipc", "uts", "mount"];
  if (hostFacts().cgroup === "v2") namespaces.push("cgroup");
  const { rootless } = hostFacts();
  if (rootless) namespaces.push("user");
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: ["/probe"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      capabilities: {
        bounding: [...defaultCapabilities],
        effective: [...defaultCapabilities],
        permitted: [...defaultCapabilities],
      },
      noNewPrivileges: true,
    },
    root: { path: sharedRootfs(), readonly: true },
    hostname: "probe",
    mounts: baseMounts(),
    linux: {
      namespaces: namespaces.map((type) => ({ type })),
      ...(rootless ? ownMappings() : {}),
      resources: { devices: [{ allow: false, access: "rwm" }] },
      maskedPaths: [...maskedPaths],
      readonlyPaths: [...readonlyPaths],
    },
  };
}

export interface Bundle {
  readonly path: string;
  readonly config: Config;
}

/** Writes (or overwrites) the config of a bundle. */
export function writeConfig(bundlePath: string, config: unknown): void {
  writeFileSync(join(bundlePath, "config.json"), JSON.stringify(config, null, 1));
}

/** Makes a bundle directory with the base config after `edit` has changed it. */
export function makeBundle(edit?: (config: Config) => void): Bundle {
  const config = baseConfig();
  edit?.(config);
  const path = scratchDirectory("bundle");
  writeConfig(path, config);
  return { path, config };
}

/** Gives the config a root filesystem of its own, writable, in `parent`; returns its path on the host. */
export function ownRootfs(config: Config, parent: string = scratchDirectory("own")): string {
  const path = join(parent, "rootfs");
  cpSync(sharedRootfs(), path, { recursive: true, verbatimSymlinks: true });
  config.root = { path };
  return path;
}

/** Bind-mounts a new host directory at /data in the container; returns its path on the host. */
export function shareDirectory(config: Config): string {
  const path = scratchDirectory("shared");
  config.mounts.push({ destination: "/data", type: "bind", source: path, options: ["bind", "rw"] });
  return path;
}

/** Takes a namespace out of the config: the container then shares the runtime's. */
export function withoutNamespace(config: Config, type: string): void {
  config.linux.namespaces = config.linux.namespaces.filter((namespace) => namespace.type !== type);
}
