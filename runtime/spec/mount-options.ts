/** The `options` of a mount entry: which of them are flags of the mount, and which belong to the file system. */
import { MOUNT_ATTR, propagationNames } from "./mount-flags.ts";

/** What a list of options asks for. Later options win over earlier ones that contradict them. */
export interface MountOptions {
  /** `bind` or `rbind`: the source is a path, the type is ignored. */
  readonly bind: boolean;
  /** `rbind`: with the mounts below the source. */
  readonly recursive: boolean;
  /** `remount`: change what is mounted at the destination. */
  readonly remount: boolean;
  /** MOUNT_ATTR_* to set, on this mount. */
  readonly set: bigint;
  /** MOUNT_ATTR_* to clear first (matters where a source brings attributes along); ATIME as a whole or not at all. */
  readonly clear: bigint;
  /** The same for this mount and all below (`rro`, `rnoexec`, ...), see mount_setattr(2). */
  readonly recursiveSet: bigint;
  readonly recursiveClear: bigint;
  /** MS_* propagation changes, in the order given. */
  readonly propagation: readonly number[];
  /** Flags of the superblock, by the names that fsconfig(2) has for them (`sync`, `lazytime`). */
  readonly superFlags: readonly string[];
  /** `tmpcopyup`: fill the new tmpfs with what it covers. */
  readonly copyUp: boolean;
  /** `idmap`, `ridmap`, or neither. */
  readonly idmap: "none" | "idmap" | "ridmap";
  /** Everything else, for the file system. */
  readonly data: readonly string[];
}

/** Attribute names; an `r` in front makes them recursive. "-" clears. */
const attributes: Readonly<Record<string, readonly ["+" | "-", bigint]>> = {
  ro: ["+", MOUNT_ATTR.RDONLY],
  rw: ["-", MOUNT_ATTR.RDONLY],
  nosuid: ["+", MOUNT_ATTR.NOSUID],
  suid: ["-", MOUNT_ATTR.NOSUID],
  nodev: ["+", MOUNT_ATTR.NODEV],
  dev: ["-", MOUNT_ATTR.NODEV],
  noexec: ["+", MOUNT_ATTR.NOEXEC],
  exec: ["-", MOUNT_ATTR.NOEXEC],
  nodiratime: ["+", MOUNT_ATTR.NODIRATIME],
  diratime: ["-", MOUNT_ATTR.NODIRATIME],
  nosymfollow: ["+", MOUNT_ATTR.NOSYMFOLLOW],
  symfollow: ["-", MOUNT_ATTR.NOSYMFOLLOW],
};

/**
 * Access-time names, which are one setting with three values. A negated name asks for the kernel's default, which is
 * relatime: `norelatime` means nothing else since Linux 2.6.30.
 */
const accessTimes: Readonly<Record<string, bigint>> = {
  relatime: MOUNT_ATTR.RELATIME,
  norelatime: MOUNT_ATTR.RELATIME,
  noatime: MOUNT_ATTR.NOATIME,
  atime: MOUNT_ATTR.RELATIME,
  strictatime: MOUNT_ATTR.STRICTATIME,
  nostrictatime: MOUNT_ATTR.RELATIME,
};

/** Superblock flags: the name to hand to fsconfig, and the flag it turns off. */
const superFlags: Readonly<Record<string, readonly [name: string, opposite: string]>> = {
  sync: ["sync", "async"],
  async: ["async", "sync"],
  dirsync: ["dirsync", ""],
  lazytime: ["lazytime", "nolazytime"],
  nolazytime: ["nolazytime", "lazytime"],
  mand: ["mand", "nomand"],
  nomand: ["nomand", "mand"],
};

/**
 * Accepted without effect: `defaults` is nothing, `silent` and `loud` only concern kernel messages, and i_version is
 * decided by each file system alone since fsconfig(2) has no name for it.
 */
const withoutEffect: readonly string[] = ["defaults", "silent", "loud", "iversion", "noiversion"];

const extensions: readonly string[] = ["bind", "rbind", "remount", "tmpcopyup", "idmap", "ridmap"];

function lookUp<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** Attributes of one scope (this mount, or all below) while options are read. */
class AttributeSet {
  set = 0n;
  clear = 0n;

  /** Takes a name of this scope; false when there is no such attribute. */
  take(name: string): boolean {
    const time = lookUp(accessTimes, name);
    if (time !== undefined) {
      this.set = (this.set & ~MOUNT_ATTR.ATIME) | time;
      this.clear |= MOUNT_ATTR.ATIME;
      return true;
    }
    const entry = lookUp(attributes, name);
    if (entry === undefined) return false;
    const [sign, flag] = entry;
    this.set = sign === "+" ? this.set | flag : this.set & ~flag;
    this.clear = sign === "+" ? this.clear & ~flag : this.clear | flag;
    return true;
  }
}

class Reader {
  readonly own = new AttributeSet();
  readonly below = new AttributeSet();
  readonly propagation: number[] = [];
  superNames: string[] = [];
  bind = false;
  recursive = false;
  remount = false;
  copyUp = false;
  idmap: MountOptions["idmap"] = "none";
  readonly data: string[] = [];

  take(option: string): void {
    if (this.own.take(option) || this.takeExtension(option)) return;
    // "rw" and "relatime" are names of their own; "rrw", "rrelatime" start with the mark of recursion.
    if (option.startsWith("r") && this.below.take(option.slice(1))) return;
    const propagation = lookUp(propagationNames, option);
    const superFlag = lookUp(superFlags, option);
    if (propagation !== undefined) this.propagation.push(propagation);
    else if (superFlag !== undefined) this.takeSuperFlag(superFlag);
    else if (!withoutEffect.includes(option)) this.data.push(option);
  }

  private takeSuperFlag([name, opposite]: readonly [string, string]): void {
    this.superNames = this.superNames.filter((other) => other !== name && other !== opposite);
    this.superNames.push(name);
  }

  private takeExtension(option: string): boolean {
    switch (option) {
      case "bind":
      case "rbind":
        this.bind = true;
        this.recursive ||= option === "rbind";
        return true;
      case "remount":
        this.remount = true;
        return true;
      case "tmpcopyup":
        this.copyUp = true;
        return true;
      case "idmap":
      case "ridmap":
        this.idmap = option;
        return true;
    }
    return false;
  }
}

/** Sorts the options of a mount entry (config.md, "Linux mount options"). Pure; never fails. */
export function parseMountOptions(options: readonly string[]): MountOptions {
  const reader = new Reader();
  for (const option of options) reader.take(option);
  return {
    bind: reader.bind,
    recursive: reader.recursive,
    remount: reader.remount,
    set: reader.own.set,
    clear: reader.own.clear,
    recursiveSet: reader.below.set,
    recursiveClear: reader.below.clear,
    propagation: reader.propagation,
    superFlags: reader.superNames,
    copyUp: reader.copyUp,
    idmap: reader.idmap,
    data: reader.data,
  };
}

/** All names that are not handed to the file system, sorted; for `features`. */
export function knownMountOptions(): string[] {
  const scoped = [...Object.keys(attributes), ...Object.keys(accessTimes)];
  return [
    ...scoped,
    ...scoped.map((name) => `r${name}`),
    ...Object.keys(superFlags),
    ...Object.keys(propagationNames),
    ...withoutEffect,
    ...extensions,
  ].sort();
}
