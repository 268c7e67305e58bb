/** Checks that the host can apply the labels that a config asks for, and finds the files to write them to. */
import type { Process } from "../../schemas/generated/config.ts";
import { fail } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { appArmorFile, hasAppArmor, hasSelinux } from "../host/lsm.ts";
import type { Labels } from "../plan/labels.ts";

/**
 * A process label that cannot be applied is an error: the caller relies on it. Not so AppArmor's `unconfined`, which is
 * how a process is without AppArmor. The host is only looked at for what is asked.
 */
export function checkLabels({ apparmorProfile = "", selinuxLabel = "" }: Process): Labels {
  const labels: { apparmor?: Labels["apparmor"] & object; selinux?: string } = {};
  if (apparmorProfile !== "") {
    if (hasAppArmor()) labels.apparmor = { file: appArmorFile(), profile: apparmorProfile };
    else if (apparmorProfile !== "unconfined") {
      throw fail(
        "FailedPrecondition",
        `apparmor profile "${apparmorProfile}" is specified in config, but apparmor is disabled or not supported`,
      );
    }
  }
  if (selinuxLabel !== "") {
    if (!hasSelinux()) {
      throw fail(
        "FailedPrecondition",
        "selinux label is specified in config, but selinux is disabled or not supported",
      );
    }
    labels.selinux = selinuxLabel;
  }
  return labels;
}

/** Without SELinux nothing on the host asks for the labels of files: worth a warning only, and crun ignores them too. */
export function checkMountLabel(mountLabel: string, log: Logger): Pick<Labels, "mount"> {
  if (mountLabel === "") return {};
  if (hasSelinux()) return { mount: mountLabel };
  log.warn("ignoring linux.mountLabel: selinux is disabled or not supported");
  return {};
}
