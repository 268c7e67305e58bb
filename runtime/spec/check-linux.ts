/** Rules about namespaces, devices and the other parts of `linux`. */
import type {
  Device,
  Linux,
  LinuxResources,
  MemoryPolicy,
} from "../../schemas/generated/config.ts";
import { maximumMajor, maximumMinor } from "./devices.ts";
import { isNumberList } from "./number-list.ts";
import { duplicate, quoted, type Rule, relativePath } from "./rule.ts";
import { isMalformedSysctl, sysctlProblem } from "./sysctls.ts";

/** IFNAMSIZ without its NUL. */
const maximumInterfaceName = 15;

/** No kernel can be built for more (CONFIG_NODES_SHIFT). */
const maximumNodes = 1024;

function hasMappings({ uidMappings = [], gidMappings = [] }: Linux): boolean {
  return uidMappings.length > 0 || gidMappings.length > 0;
}

function emptyMapping({ uidMappings = [], gidMappings = [] }: Linux): string | undefined {
  if (uidMappings.some(({ size }) => size === 0)) return "linux.uidMappings";
  return gidMappings.some(({ size }) => size === 0) ? "linux.gidMappings" : undefined;
}

function unusableDevice({ type, path, major, minor }: Device): string | undefined {
  if (!path.startsWith("/")) return `path "${path}" is not absolute`;
  if (type === "p") return undefined;
  if (major === undefined || minor === undefined)
    return `${path}: type ${type} needs major and minor`;
  const inRange = major >= 0 && major <= maximumMajor && minor >= 0 && minor <= maximumMinor;
  return inRange ? undefined : `${path}: there is no device ${major}:${minor}`;
}

function isAccess(text: string): boolean {
  for (const letter of text) if (!"rwm".includes(letter)) return false;
  return true;
}

function isFileName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !name.includes("/");
}

function badInterfaceName(name: string): boolean {
  return (
    name.length > maximumInterfaceName || !/^[^\s/:]+$/.test(name) || name === "." || name === ".."
  );
}

function netDeviceNames({ netDevices = {} }: Linux): string[] {
  return Object.entries(netDevices).map(([name, device]) => device.name || name);
}

function memoryPolicyProblem({ mode, nodes = "", flags = [] }: MemoryPolicy): string | undefined {
  const takesNone = mode === "MPOL_DEFAULT" || mode === "MPOL_LOCAL";
  if (takesNone && nodes !== "") return `${mode} takes no nodes`;
  if (!takesNone && mode !== "MPOL_PREFERRED" && nodes === "") return `${mode} needs nodes`;
  if (nodes !== "" && !isNumberList(nodes, maximumNodes))
    return `"${nodes}" is not a list of nodes`;
  if (flags.includes("MPOL_F_STATIC_NODES") && flags.includes("MPOL_F_RELATIVE_NODES")) {
    return "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other";
  }
  return undefined;
}

function firstOf<T>(
  list: readonly T[] | undefined,
  find: (item: T) => string | undefined,
): string | undefined {
  for (const item of list ?? []) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

export const namespaceRules: readonly Rule[] = [
  {
    when: ({ linux }) => duplicate(linux.namespaces?.map(({ type }) => type)),
    message: (what) => `linux.namespaces: ${what} is listed twice`,
  },
  {
    when: ({ linux }) =>
      linux.namespaces?.find(({ path = "" }) => path !== "" && !path.startsWith("/"))?.path,
    message: (what) => `linux.namespaces: path "${what}" is not absolute`,
  },
  {
    when: ({ spec, has }) => (spec.hostname ?? "") !== "" && !has("uts"),
    message: () => "unable to set hostname without a private UTS namespace",
  },
  {
    when: ({ spec, has }) => (spec.domainname ?? "") !== "" && !has("uts"),
    message: () => "unable to set domainname without a private UTS namespace",
  },
  {
    when: ({ linux: { maskedPaths = [], readonlyPaths = [] }, has }) =>
      maskedPaths.length + readonlyPaths.length > 0 && !has("mount"),
    message: () => "unable to restrict sys entries without a private MNT namespace",
  },
  {
    when: ({ linux, has }) =>
      has("user") &&
      !hasMappings(linux) &&
      !linux.namespaces?.find(({ type }) => type === "user")?.path,
    message: () =>
      "user namespaces enabled, but no namespace path to join nor mappings to apply specified",
  },
  {
    when: ({ linux, has }) => !has("user") && hasMappings(linux),
    message: () =>
      "user namespace mappings specified, but user namespace isn't enabled in the config",
  },
  { when: ({ linux }) => emptyMapping(linux), message: (what) => `${what}: a size is 0` },
  {
    when: ({ linux, has }) => !has("time") && Object.keys(linux.timeOffsets ?? {}).length > 0,
    message: () =>
      "time namespace offsets specified, but time namespace isn't enabled in the config",
  },
  {
    when: ({ linux }) =>
      Object.keys(linux.timeOffsets ?? {}).length > 0 &&
      (linux.namespaces?.find(({ type }) => type === "time")?.path ?? "") !== "",
    message: () =>
      "time namespace enabled, but both namespace path and time offsets specified -- you may only provide one",
  },
  {
    when: ({ linux }) => quoted(Object.keys(linux.sysctl ?? {}).find(isMalformedSysctl)),
    message: (what) => `linux.sysctl: ${what} is not a name of a setting`,
  },
  {
    when: ({ linux, has }) =>
      firstOf(Object.keys(linux.sysctl ?? {}), (name) => sysctlProblem(name, has)),
    message: (what) => what,
  },
  {
    when: ({ linux, has }) => !has("network") && netDeviceNames(linux).length > 0,
    message: () => "unable to move network devices without a private NET namespace",
  },
];

export const linuxRules: readonly Rule[] = [
  {
    when: ({ linux }) => relativePath("linux.maskedPaths", linux.maskedPaths),
    message: (what) => `${what} is not an absolute path`,
  },
  {
    when: ({ linux }) => relativePath("linux.readonlyPaths", linux.readonlyPaths),
    message: (what) => `${what} is not an absolute path`,
  },
  {
    when: ({ linux }) => firstOf(linux.devices, unusableDevice),
    message: (what) => `linux.devices: ${what}`,
  },
  {
    when: ({ linux }) =>
      quoted(
        [...Object.keys(linux.netDevices ?? {}), ...netDeviceNames(linux)].find(badInterfaceName),
      ),
    message: (what) => `linux.netDevices: invalid network device name ${what}`,
  },
  {
    when: ({ linux }) => duplicate(netDeviceNames(linux)),
    message: (what) => `linux.netDevices: two devices would be named "${what}"`,
  },
  {
    when: ({ linux }) => (linux.cgroupsPath ?? "").split("/").includes("..") && linux.cgroupsPath,
    message: (what) => `linux.cgroupsPath: ".." is not allowed in "${what}"`,
  },
  {
    when: ({ linux: { intelRdt: { closID = "" } = {} } }) =>
      (closID === "." || closID === ".." || (closID !== "/" && closID.includes("/"))) && closID,
    message: (what) => `invalid intelRdt.ClosID "${what}"`,
  },
  {
    when: ({ linux }) => linux.memoryPolicy && memoryPolicyProblem(linux.memoryPolicy),
    message: (what) => `linux.memoryPolicy: ${what}`,
  },
];

export const resourceRules: readonly Rule<LinuxResources>[] = [
  {
    when: ({ devices }) =>
      devices?.find(({ type = "" }) => !["", "a", "b", "c"].includes(type))?.type,
    message: (what) => `linux.resources.devices: invalid cgroup device type "${what}"`,
  },
  {
    when: ({ devices }) => devices?.find(({ access = "" }) => !isAccess(access))?.access,
    message: (what) => `linux.resources.devices: unknown device access "${what}" (want r, w, m)`,
  },
  {
    when: ({ unified = {} }) => quoted(Object.keys(unified).find((name) => !isFileName(name))),
    message: (what) => `unified resource ${what} must be a file name (no slashes)`,
  },
];
