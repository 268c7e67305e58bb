/** The names a profile uses for actions, operators, architectures and flags, with their numbers. */
import type {
  SeccompAction,
  SeccompArch,
  SeccompFlag,
  SeccompOperator,
} from "../../schemas/generated/config.ts";

/** <linux/seccomp.h>: SECCOMP_RET_*. ERRNO and TRACE carry 16 bits of data. */
export const RET_ERRNO = 0x00050000;
export const RET_TRACE = 0x7ff00000;
export const RET_NOTIFY = 0x7fc00000;
export const RET_LOG = 0x7ffc0000;
export const RET_ALLOW = 0x7fff0000;
export const RET_ACTION_MASK = 0xffff0000;

/** KILL is runc's (and libseccomp's) old name for KILL_THREAD. */
export const actions: Readonly<Record<SeccompAction, number>> = {
  SCMP_ACT_ALLOW: RET_ALLOW,
  SCMP_ACT_ERRNO: RET_ERRNO,
  SCMP_ACT_KILL: 0x00000000,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_KILL_THREAD: 0x00000000,
  SCMP_ACT_LOG: RET_LOG,
  SCMP_ACT_NOTIFY: RET_NOTIFY,
  SCMP_ACT_TRACE: RET_TRACE,
  SCMP_ACT_TRAP: 0x00030000,
};

/** <seccomp.h>: enum scmp_compare. */
export const operators: Readonly<Record<SeccompOperator, number>> = {
  SCMP_CMP_EQ: 4,
  SCMP_CMP_GE: 5,
  SCMP_CMP_GT: 6,
  SCMP_CMP_LE: 3,
  SCMP_CMP_LT: 2,
  SCMP_CMP_MASKED_EQ: 7,
  SCMP_CMP_NE: 1,
};

export const ARCH_NATIVE = 0;
export const ARCH_X86_64 = 0xc000003e;
/** Not an AUDIT_ARCH_*: the kernel reports x86_64 and sets bit 30 of the system call number. */
export const ARCH_X32 = 0x4000003e;
export const ARCH_S390 = 0x00000016;
export const ARCH_S390X = 0x80000016;

/** <seccomp.h>: SCMP_ARCH_*, which but for x32 are the AUDIT_ARCH_* of <linux/audit.h>. */
export const architectures: Readonly<Record<SeccompArch, number>> = {
  SCMP_ARCH_AARCH64: 0xc00000b7,
  SCMP_ARCH_ARM: 0x40000028,
  SCMP_ARCH_LOONGARCH64: 0xc0000102,
  SCMP_ARCH_M68K: 0x00000004,
  SCMP_ARCH_MIPS: 0x00000008,
  SCMP_ARCH_MIPS64: 0x80000008,
  SCMP_ARCH_MIPS64N32: 0xa0000008,
  SCMP_ARCH_MIPSEL: 0x40000008,
  SCMP_ARCH_MIPSEL64: 0xc0000008,
  SCMP_ARCH_MIPSEL64N32: 0xe0000008,
  SCMP_ARCH_PARISC: 0x0000000f,
  SCMP_ARCH_PARISC64: 0x8000000f,
  SCMP_ARCH_PPC: 0x00000014,
  SCMP_ARCH_PPC64: 0x80000015,
  SCMP_ARCH_PPC64LE: 0xc0000015,
  SCMP_ARCH_RISCV64: 0xc00000f3,
  SCMP_ARCH_S390: ARCH_S390,
  SCMP_ARCH_S390X: ARCH_S390X,
  SCMP_ARCH_SH: 0x4000002a,
  SCMP_ARCH_SHEB: 0x0000002a,
  SCMP_ARCH_X32: ARCH_X32,
  SCMP_ARCH_X86: 0x40000003,
  SCMP_ARCH_X86_64: ARCH_X86_64,
};

/** <linux/seccomp.h>: SECCOMP_FILTER_FLAG_*. */
export const FLAG_SPEC_ALLOW = 1 << 2;
export const FLAG_NEW_LISTENER = 1 << 3;
export const FLAG_WAIT_KILLABLE_RECV = 1 << 5;

/** TSYNC is 0: accepted and ignored as in runc, since a container's init has one thread. */
export const flags: Readonly<Record<SeccompFlag, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: 1 << 1,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: FLAG_SPEC_ALLOW,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: FLAG_WAIT_KILLABLE_RECV,
};

/** Own-property lookup, for names that nobody has checked: a profile may say "constructor" or "__proto__". */
export function lookUp(table: Readonly<Record<string, number>>, name: string): number | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
