/** Labels of Linux security modules: the process's after exec, its keyring's, and those of new file systems. */
import type { PlanBuilder } from "./plan.ts";

/** What to apply; the caller has checked that the host can. */
export interface Labels {
  /** `file` is relative to /proc/thread-self. */
  readonly apparmor?: { readonly file: string; readonly profile: string };
  readonly selinux?: string;
  /** `linux.mountLabel`. */
  readonly mount?: string;
}

/** Takes effect at execve(2), so that the runtime itself stays unconfined until then. */
export function addLabels(builder: PlanBuilder, { apparmor, selinux }: Labels): void {
  if (apparmor !== undefined) {
    addWrite(builder, apparmor.file, `exec ${apparmor.profile}`);
  }
  if (selinux !== undefined) addWrite(builder, "attr/exec", selinux);
}

/** The session keyring has to be the container's to use; execve(2) takes this back. Comes before the keyring is made. */
export function addKeyLabel(builder: PlanBuilder, { selinux }: Labels): void {
  if (selinux !== undefined) addWrite(builder, "attr/keycreate", selinux);
}

function addWrite(builder: PlanBuilder, file: string, value: string): void {
  builder.ops.push({ op: "writeProc", path: `thread-self/${file}`, value, optional: 0 });
}

/** File systems whose objects the kernel labels by itself; a context option would be refused. */
const selfLabelled: readonly string[] = ["proc", "sysfs", "mqueue", "cgroup", "cgroup2"];

/** `linux.mountLabel` as an option of a new file system; none for those that take none. */
export function contextOption(fstype: string, mountLabel: string | undefined): string[] {
  if (mountLabel === undefined || mountLabel === "" || selfLabelled.includes(fstype)) return [];
  return [`context=${mountLabel}`];
}
