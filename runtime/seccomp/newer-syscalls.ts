/** System calls younger than the libseccomp we may be linked with, by number. */
import { ARCH_X32, architectures } from "./constants.ts";

/**
 * Added after libseccomp 2.5.4 (Debian 12) was made; include/uapi/asm-generic/unistd.h. From 403 on all
 * architectures share the numbers, up to the base of the MIPS and x32 tables.
 */
export const newerSyscalls: Readonly<Record<string, number>> = {
  cachestat: 451,
  fchmodat2: 452,
  map_shadow_stack: 453,
  futex_wake: 454,
  futex_wait: 455,
  futex_requeue: 456,
  statmount: 457,
  listmount: 458,
  lsm_get_self_attr: 459,
  lsm_set_self_attr: 460,
  lsm_list_modules: 461,
  mseal: 462,
  setxattrat: 463,
  getxattrat: 464,
  listxattrat: 465,
  removexattrat: 466,
  open_tree_attr: 467,
  file_getattr: 468,
  file_setattr: 469,
};

/** What the numbers of an architecture's table start from. */
export function syscallBase(arch: number): number {
  switch (arch) {
    case ARCH_X32:
      return 0x40000000;
    case architectures.SCMP_ARCH_MIPS:
    case architectures.SCMP_ARCH_MIPSEL:
      return 4000;
    case architectures.SCMP_ARCH_MIPS64:
    case architectures.SCMP_ARCH_MIPSEL64:
      return 5000;
    case architectures.SCMP_ARCH_MIPS64N32:
    case architectures.SCMP_ARCH_MIPSEL64N32:
      return 6000;
    default:
      return 0;
  }
}
