/** The config.json that `spec` writes: a shell on a terminal, as runc's. */
import type { IdMapping, Linux, Mount, Namespace, Spec } from "../../schemas/generated/config.ts";
import { specVersion } from "../base/version.ts";

export interface TemplateOptions {
  /** The host has cgroup v2 only: the container gets a cgroup namespace, as from runc. */
  readonly cgroup2: boolean;
  /** `spec --rootless`: the caller's effective ids, which become root in a user namespace. */
  readonly rootless?: { readonly uid: number; readonly gid: number };
}

const capabilities: readonly string[] = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

function mounts(): Mount[] {
  return [
    { destination: "/proc", type: "proc", source: "proc" },
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
      options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
    },
    {
      destination: "/dev/mqueue",
      type: "mqueue",
      source: "mqueue",
      options: ["nosuid", "noexec", "nodev"],
    },
    {
      destination: "/sys",
      type: "sysfs",
      source: "sysfs",
      options: ["nosuid", "noexec", "nodev", "ro"],
    },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: ["nosuid", "noexec", "nodev", "relatime", "ro"],
    },
  ];
}

const maskedPaths: readonly string[] = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/sys/firmware",
  "/proc/scsi",
];

const readonlyPaths: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

function namespaceTypes({ cgroup2, rootless }: TemplateOptions): Namespace["type"][] {
  const types: Namespace["type"][] = ["pid", "network", "ipc", "uts", "mount"];
  if (cgroup2) types.push("cgroup");
  // Nobody could set up a network for it: it shares the host's.
  return rootless === undefined ? types : [...types.filter((type) => type !== "network"), "user"];
}

/** The mount as it works without privileges: /sys is bound from the host, ids that are not mapped are left out. */
function rootlessMount(mount: Mount): Mount {
  if (mount.destination === "/sys") {
    const options = ["rbind", "nosuid", "noexec", "nodev", "ro"];
    return { destination: "/sys", type: "none", source: "/sys", options };
  }
  if (mount.options === undefined) return mount;
  return { ...mount, options: mount.options.filter((option) => !/^[ug]id=/.test(option)) };
}

function linux(options: TemplateOptions): Linux {
  const namespaces = namespaceTypes(options).map((type) => ({ type }));
  const { rootless } = options;
  if (rootless === undefined) {
    const resources = { devices: [{ allow: false, access: "rwm" }] };
    return { resources, namespaces, maskedPaths, readonlyPaths };
  }
  const root = (hostID: number): IdMapping[] => [{ containerID: 0, hostID, size: 1 }];
  const [uidMappings, gidMappings] = [root(rootless.uid), root(rootless.gid)];
  return { uidMappings, gidMappings, namespaces, maskedPaths, readonlyPaths };
}

/** The whole document, in the order of runc's. */
export function specTemplate(options: TemplateOptions): Spec {
  return {
    ociVersion: specVersion,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      // No inheritable set: CVE-2022-29162.
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "runc",
    mounts: options.rootless === undefined ? mounts() : mounts().map(rootlessMount),
    linux: linux(options),
  };
}
