/** What this host offers to the suite: programs that need more are skipped with the reason. */
import { existsSync, readFileSync } from "node:fs";

/** What to do with a program here. */
export interface Provision {
  /** Why it cannot say anything about a runtime here; undefined when it can. */
  readonly lack: string | undefined;
  /** cgroup v1 controllers to mount for it. */
  readonly controllers: readonly string[];
  /** It uses cgroups with names of the suite's own: never two at a time. */
  readonly sharesCgroups: boolean;
}

const cgroupRoot = "/sys/fs/cgroup";

/** Controllers that the tests look for in a v1 hierarchy, by the end of the program's name. */
const controllersOf: Readonly<Record<string, readonly string[]>> = {
  blkio: ["blkio"],
  cpus: ["cpu", "cpuset"],
  devices: ["devices"],
  hugetlb: ["hugetlb"],
  memory: ["memory"],
  network: ["net_cls", "net_prio"],
  pids: ["pids"],
  resources: ["pids"],
};

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

function hasCgroupV1(): boolean {
  return / - cgroup /.test(read("/proc/self/mountinfo"));
}

function isEnabled(controller: string): boolean {
  return new RegExp(`^${controller}\\s.*\\s1$`, "m").test(read("/proc/cgroups"));
}

/** Every capability that the kernel has is in our bounding set. */
function hasAllCapabilities(): boolean {
  const last = BigInt(read("/proc/sys/kernel/cap_last_cap").trim() || 0);
  const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(read("/proc/self/status"))?.[1] ?? "0";
  return BigInt(`0x${bounding}`) === (1n << (last + 1n)) - 1n;
}

function cgroupLack(controllers: readonly string[]): string | undefined {
  // validation/util knows v1 only: "cgroupv2 is not supported yet"
  if (!hasCgroupV1()) return "the suite checks cgroup v1 only";
  const absent = controllers.filter((controller) => !isEnabled(controller));
  if (absent.length > 0) return `the kernel has no cgroup controller ${absent.join(", ")}`;
  if (controllers.includes("blkio") && !existsSync(`${cgroupRoot}/blkio/blkio.leaf_weight`)) {
    return "the kernel has no blkio.leaf_weight (it went with the CFQ scheduler in Linux 5.0)";
  }
  return undefined;
}

/** What the program needs of the host, and whether that is there. */
export function provide(program: string): Provision {
  const sharesCgroups = /^(linux_cgroups|delete)_/.test(program);
  if (!sharesCgroups) return { lack: otherLack(program), controllers: [], sharesCgroups };
  const controllers = controllersOf[program.split("_").at(-1) ?? ""] ?? [];
  const missing = controllers.filter((name) => !existsSync(`${cgroupRoot}/${name}`));
  return { lack: cgroupLack(controllers), controllers: missing, sharesCgroups };
}

function otherLack(program: string): string | undefined {
  if (program === "process_capabilities" && !hasAllCapabilities()) {
    return "this process does not have every capability to give away";
  }
  if (program === "linux_process_apparmor_profile") {
    const profiles = read("/sys/kernel/security/apparmor/profiles");
    if (!profiles.includes("acme_secure_profile")) {
      return "the AppArmor profile that it uses (acme_secure_profile) is not loaded";
    }
  }
  return undefined;
}
