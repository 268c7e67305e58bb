/** What this runtime supports, as the features document of the OCI runtime specification. */
import type { Features, LinuxFeatures } from "../../schemas/generated/features.ts";
import { specVersion, version } from "../base/version.ts";
import { lastCapability } from "../host/kernel.ts";
import { memoryFlags, memoryModes } from "../plan/scheduling.ts";
import { seccompFeatures, seccompLibraryVersion } from "../seccomp/features.ts";
import { unsafeAnnotations } from "../spec/annotations.ts";
import { capabilityNames } from "../spec/capabilities.ts";
import { knownMountOptions } from "../spec/mount-options.ts";
import { namespaceTypes } from "../spec/namespaces.ts";

/** Hooks in the order in which they run. */
const hooks: readonly string[] = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
];

function linuxFeatures(): LinuxFeatures {
  return {
    namespaces: namespaceTypes(),
    capabilities: capabilityNames().slice(0, lastCapability() + 1),
    cgroup: { v1: true, v2: true, systemd: false, systemdUser: false, rdma: true },
    seccomp: seccompFeatures() as LinuxFeatures["seccomp"] & object,
    apparmor: { enabled: true },
    selinux: { enabled: true },
    intelRdt: { enabled: true, schemata: true, monitoring: true },
    memoryPolicy: {
      modes: Object.keys(memoryModes) as (keyof typeof memoryModes)[],
      flags: Object.keys(memoryFlags) as (keyof typeof memoryFlags)[],
    },
    mountExtensions: { idmap: { enabled: true } },
    netDevices: { enabled: true },
  };
}

/** The document (runtime-spec features.md). It tells what the product does, not what the host allows. */
export function features(): Features {
  const libseccomp = seccompLibraryVersion();
  return {
    ociVersionMin: "1.0.0",
    ociVersionMax: specVersion,
    hooks,
    mountOptions: knownMountOptions(),
    linux: linuxFeatures(),
    annotations: {
      ...(libseccomp === undefined ? {} : { "io.github.seccomp.libseccomp.version": libseccomp }),
      "org.opencontainers.runc.checkpoint.enabled": "false",
      "io.github.tsrunc.version": version,
    },
    potentiallyUnsafeConfigAnnotations: unsafeAnnotations,
  };
}
