/** Device nodes: those that every container gets, and how a node is described to mknod(2). */
import type { Device } from "../../schemas/generated/config.ts";

const defaultMode = 0o666;
const S_IFIFO = 0o010000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;

/** Widths of major and minor in the kernel's dev_t (include/linux/kdev_t.h). */
export const maximumMajor = 0xfff;
export const maximumMinor = 0xfffff;

function character(path: string, major: number, minor: number): Device {
  return { path, type: "c", major, minor, fileMode: defaultMode, uid: 0, gid: 0 };
}

/** The nodes of config-linux.md, "Default Devices"; ptmx and console are made in other ways. */
export function defaultDevices(): Device[] {
  return [
    character("/dev/null", 1, 3),
    character("/dev/random", 1, 8),
    character("/dev/full", 1, 7),
    character("/dev/tty", 5, 0),
    character("/dev/zero", 1, 5),
    character("/dev/urandom", 1, 9),
  ];
}

/** The mode for mknod(2): file type and permission bits; type bits in fileMode are ignored, as with runc. */
export function deviceMode(device: Device): number {
  const type = device.type === "b" ? S_IFBLK : device.type === "p" ? S_IFIFO : S_IFCHR;
  return type | ((device.fileMode ?? defaultMode) & 0o7777);
}

/** dev_t as user space has it (gnu_dev_makedev); 0 for a fifo. */
export function deviceNumber(device: Device): bigint {
  if (device.type === "p") return 0n;
  const major = BigInt(device.major ?? 0);
  const minor = BigInt(device.minor ?? 0);
  return (
    ((major & 0xfffff000n) << 32n) |
    ((major & 0xfffn) << 8n) |
    ((minor & 0xffffff00n) << 12n) |
    (minor & 0xffn)
  );
}
