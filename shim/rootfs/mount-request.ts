/** Parses a mount of containerd's Create request into what the native side performs. Pure. */
import { fail } from "../../runtime/base/errors.ts";
import type { MountRequest } from "../../runtime/native/binding.ts";
import { MOUNT_ATTR } from "../../runtime/spec/mount-flags.ts";
import { type MountOptions, parseMountOptions } from "../../runtime/spec/mount-options.ts";

/** containerd.types.Mount. */
export interface RootfsMount {
  readonly type: string;
  readonly source: string;
  /** Where beneath the root file system; empty for itself. */
  readonly target: string;
  /** As in fstab, one an entry. */
  readonly options: readonly string[];
}

/** A mount by the kernel, or by a program: `mount.fuse3 source target -o option... -t type`. */
export type ParsedMount =
  | { readonly by: "kernel"; readonly request: MountRequest }
  | { readonly by: "helper"; readonly helper: string; readonly type: string };

/** Types that programs mount, by what they begin with. */
const helpers: Readonly<Record<string, string>> = {
  "fuse.": "mount.fuse",
  "fuse3.": "mount.fuse3",
};

/** @param rootfs directory that the target is beneath; absolute. */
export function parseMount(mount: RootfsMount, rootfs: string): ParsedMount {
  const forManager = mount.options.find((option) => option.startsWith("X-containerd."));
  if (forManager !== undefined || mount.type.includes("/")) {
    const what =
      forManager === undefined ? `mount type ${mount.type}` : `mount option ${forManager}`;
    throw fail("InvalidArgument", `${what} is not for the runtime`, {
      hint: "containerd's mount manager has to perform it first",
    });
  }
  for (const [prefix, helper] of Object.entries(helpers)) {
    if (mount.type.startsWith(prefix)) {
      return { by: "helper", helper, type: mount.type.slice(prefix.length) };
    }
  }
  return { by: "kernel", request: kernelMount(mount, rootfs) };
}

/** What is left of the options when those that are no mount's have been taken out. */
class Extras {
  loop = false;
  directIo = false;
  uidMap = "";
  gidMap = "";
  layers: string[] = [];
  dataLayers: string[] = [];
  readonly rest: string[] = [];

  take(option: string, overlay: boolean): void {
    const equals = option.indexOf("=");
    const value = option.slice(equals + 1);
    switch (equals < 0 ? option : option.slice(0, equals + 1)) {
      case "loop":
        this.loop = true;
        break;
      case "direct-io":
        this.directIo = true;
        break;
      case "uidmap=":
        this.uidMap = parseIdMap(option, value);
        break;
      case "gidmap=":
        this.gidMap = parseIdMap(option, value);
        break;
      default:
        for (const part of splitOption(option)) this.takePart(part, overlay);
    }
  }

  private takePart(option: string, overlay: boolean): void {
    if (!overlay || !option.startsWith("lowerdir=")) {
      this.rest.push(option);
      return;
    }
    const { layers, dataLayers } = splitLayers(option.slice("lowerdir=".length));
    this.layers = layers;
    this.dataLayers = dataLayers;
  }
}

function kernelMount(mount: RootfsMount, rootfs: string): MountRequest {
  const extras = new Extras();
  for (const option of mount.options) extras.take(option, mount.type === "overlay");
  if (extras.directIo && !extras.loop) extras.rest.push("direct-io");
  const options = parseMountOptions(extras.rest);
  const mapped = extras.uidMap !== "" && extras.gidMap !== "";
  if (mapped !== (extras.uidMap !== "" || extras.gidMap !== "")) {
    throw fail("InvalidArgument", "an id-mapped mount needs both uidmap and gidmap");
  }
  const kind = kindOf(options);
  return {
    kind,
    root: rootfs,
    target: mount.target,
    type: mount.type,
    source: mount.source,
    options: kind === "bind" || kind === "rbind" ? [] : dataOf(options),
    superFlags: kind === "bind" || kind === "rbind" ? [] : options.superFlags,
    layers: extras.layers,
    dataLayers: extras.dataLayers,
    set: Number(options.set),
    clear: Number(clearedBy(options, kind)),
    setBelow: Number(options.recursiveSet),
    clearBelow: Number(options.recursiveClear),
    propagation: options.propagation,
    uidMap: extras.uidMap,
    gidMap: extras.gidMap,
    loop: extras.loop,
    directIo: extras.directIo,
    classic: false,
  };
}

function kindOf({ bind, recursive, remount }: MountOptions): MountRequest["kind"] {
  if (remount) return bind ? "remountBind" : "remount";
  if (bind) return recursive ? "rbind" : "bind";
  return "new";
}

/** A bind keeps what its source has, as with mount(8): `rw` does not make a read-only mount writable. */
function clearedBy(options: MountOptions, kind: MountRequest["kind"]): bigint {
  if (kind === "remountBind") return options.clear;
  if (kind !== "bind" && kind !== "rbind") return 0n;
  return (options.set & MOUNT_ATTR.ATIME) === 0n ? 0n : options.clear & MOUNT_ATTR.ATIME;
}

/** Names that only runtime-spec knows are options of the file system here, which will say that it has none such. */
function dataOf({ data, copyUp, idmap }: MountOptions): readonly string[] {
  const names = [...data];
  if (copyUp) names.push("tmpcopyup");
  if (idmap !== "none") names.push(idmap);
  return names;
}

/** `container:host:size[,...]` as lines of uid_map (user_namespaces(7)). */
function parseIdMap(option: string, value: string): string {
  const lines: string[] = [];
  for (const mapping of value.split(",")) {
    const numbers = mapping.split(":");
    if (numbers.length !== 3 || !numbers.every(isId)) {
      throw fail("InvalidArgument", `mount option ${option}: not container:host:size`);
    }
    lines.push(numbers.join(" "));
  }
  return lines.join("\n");
}

function isId(text: string): boolean {
  return /^[0-9]{1,10}$/.test(text) && Number(text) <= 0xffffffff;
}

/**
 * mount(2) takes one string, so an entry may hold several options: at commas outside of quotes and not escaped. The
 * quotes are for the label of `context="..."`, which may have commas, and are no part of it.
 */
export function splitOption(entry: string): string[] {
  const parts: string[] = [];
  let part = "";
  let quoted = false;
  for (let at = 0; at < entry.length; at++) {
    const char = entry.charAt(at);
    if (char === '"') quoted = !quoted;
    else if (char === "\\" && at + 1 < entry.length) part += char + entry.charAt(++at);
    else if (char === "," && !quoted) {
      parts.push(part);
      part = "";
    } else part += char;
  }
  parts.push(part);
  return parts.filter((name) => name !== "");
}

/** Overlay's `lowerdir=`: layers between colons, data-only ones behind double colons; a backslash takes any character. */
export function splitLayers(value: string): { layers: string[]; dataLayers: string[] } {
  const layers: string[] = [];
  const dataLayers: string[] = [];
  let data = false;
  let path = "";
  const end = () => {
    if (path !== "") (data ? dataLayers : layers).push(path);
    path = "";
  };
  for (let at = 0; at < value.length; at++) {
    const char = value.charAt(at);
    if (char === "\\" && at + 1 < value.length) path += value.charAt(++at);
    else if (char === ":") {
      end();
      if (value.charAt(at + 1) === ":") {
        data = true;
        at++;
      }
    } else path += char;
  }
  end();
  return { layers, dataLayers };
}
