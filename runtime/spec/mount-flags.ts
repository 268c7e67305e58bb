/** Kernel numbers of mounts: include/uapi/linux/mount.h. */

/** MS_* of mount(2), as far as propagation goes. */
export const MS = {
  REC: 0x4000,
  UNBINDABLE: 0x20000,
  PRIVATE: 0x40000,
  SLAVE: 0x80000,
  SHARED: 0x100000,
} as const;

/** MOUNT_ATTR_* of fsmount(2) and mount_setattr(2). The three access-time values share the mask ATIME. */
export const MOUNT_ATTR = {
  RDONLY: 0x1n,
  NOSUID: 0x2n,
  NODEV: 0x4n,
  NOEXEC: 0x8n,
  ATIME: 0x70n,
  RELATIME: 0x0n,
  NOATIME: 0x10n,
  STRICTATIME: 0x20n,
  NODIRATIME: 0x80n,
  IDMAP: 0x100000n,
  NOSYMFOLLOW: 0x200000n,
} as const;

/** Propagation names of mount options and of linux.rootfsPropagation. */
export const propagationNames: Readonly<Record<string, number>> = {
  private: MS.PRIVATE,
  rprivate: MS.PRIVATE | MS.REC,
  slave: MS.SLAVE,
  rslave: MS.SLAVE | MS.REC,
  shared: MS.SHARED,
  rshared: MS.SHARED | MS.REC,
  unbindable: MS.UNBINDABLE,
  runbindable: MS.UNBINDABLE | MS.REC,
};

/** The MS_* bits of a propagation name (`rslave`); 0 for an empty or unknown one. */
export function propagationFlag(name: string): number {
  return Object.hasOwn(propagationNames, name) ? (propagationNames[name] as number) : 0;
}
