/** Owns the bundle that all runtimes are measured with: what `runc spec` writes, running busybox. */
import { kernelMounts, maskedPaths, readonlyPaths } from "../harness/bundle.ts";

const capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

/**
 * The config.json of a plain container with five namespaces.
 * @param args what the container runs, e.g. `["/bin/true"]`.
 * @returns the document; its ociVersion is the newest that all of the runtimes take.
 */
export function benchConfig(args: readonly string[]): unknown {
  return {
    ociVersion: "1.0.2",
    process: {
      user: { uid: 0, gid: 0 },
      args,
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "bench",
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }, ...kernelMounts()],
    linux: {
      resources: { devices: [{ allow: false, access: "rwm" }] },
      namespaces: ["pid", "network", "ipc", "uts", "mount"].map((type) => ({ type })),
      maskedPaths: [...maskedPaths, "/proc/asound"],
      readonlyPaths,
    },
  };
}
