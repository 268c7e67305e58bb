/** Rules about seccomp profiles. Names that libseccomp does not know are no errors. */
import type { Seccomp, SeccompAction } from "../../schemas/generated/config.ts";
import type { Rule } from "./rule.ts";

function takesErrno(action: SeccompAction): boolean {
  return action === "SCMP_ACT_ERRNO" || action === "SCMP_ACT_TRACE";
}

function notifies({ syscalls = [] }: Seccomp): boolean {
  return syscalls.some(({ action }) => action === "SCMP_ACT_NOTIFY");
}

/** An action with an errno that it cannot return: config-linux.md demands an error. */
function uselessErrno({
  defaultAction,
  defaultErrnoRet,
  syscalls = [],
}: Seccomp): string | undefined {
  if (defaultErrnoRet !== undefined && !takesErrno(defaultAction)) return defaultAction;
  return syscalls.find(({ action, errnoRet }) => errnoRet !== undefined && !takesErrno(action))
    ?.action;
}

export const seccompRules: readonly Rule<Seccomp>[] = [
  { when: uselessErrno, message: (what) => `linux.seccomp: ${what} cannot return an errno` },
  {
    when: ({ defaultAction }) => defaultAction === "SCMP_ACT_NOTIFY",
    message: () => "SCMP_ACT_NOTIFY cannot be used as default action",
  },
  {
    // The runtime itself has to write after the filter is loaded.
    when: ({ syscalls = [] }) =>
      syscalls.some(({ action, names }) => action === "SCMP_ACT_NOTIFY" && names.includes("write")),
    message: () => "SCMP_ACT_NOTIFY cannot be used for the write syscall",
  },
  {
    when: (seccomp) => notifies(seccomp) && (seccomp.listenerPath ?? "") === "",
    message: () => "linux.seccomp.listenerPath: needed for SCMP_ACT_NOTIFY",
  },
  {
    when: ({ listenerPath = "" }) =>
      listenerPath !== "" && !listenerPath.startsWith("/") && listenerPath,
    message: (what) => `linux.seccomp.listenerPath: "${what}" is not an absolute path`,
  },
  {
    when: ({ listenerPath = "", listenerMetadata = "" }) =>
      listenerMetadata !== "" && listenerPath === "",
    message: () => "linux.seccomp.listenerMetadata: needs listenerPath",
  },
];
