/** Which security modules this host runs, as far as labels of processes and mounts go. */
import { existsSync, readFileSync } from "node:fs";

/** AppArmor is built in and switched on. */
export function hasAppArmor(sys = "/sys"): boolean {
  const path = `${sys}/module/apparmor/parameters/enabled`;
  return existsSync(path) && readFileSync(path, "latin1").startsWith("Y");
}

/** SELinux is on: its file system is mounted, in whatever mode it is. */
export function hasSelinux(sys = "/sys"): boolean {
  return existsSync(`${sys}/fs/selinux/enforce`);
}

/**
 * Where a process writes the profile it wants after exec. Linux 5.1 gave AppArmor a file of its own; the shared one
 * belongs to whichever module comes first.
 */
export function appArmorFile(proc = "/proc"): string {
  return existsSync(`${proc}/self/attr/apparmor/exec`) ? "attr/apparmor/exec" : "attr/exec";
}
