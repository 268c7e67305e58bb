/* The BPF program that decides which devices a v2 cgroup may use. */
#ifndef TSR_CORE_DEVICE_PROGRAM_H
#define TSR_CORE_DEVICE_PROGRAM_H

#include <stddef.h>

#include "error.h"

/*
 * Loads a BPF_PROG_TYPE_CGROUP_DEVICE program and makes it the only one of the cgroup: programs
 * attached to it before are replaced or detached after the new one is in force, so that the cgroup
 * is never without one. `program` is an array of struct bpf_insn. EINVAL for a size that is no
 * multiple.
 */
int tsr_device_program_set(int cgroup, const void *program, size_t size, struct tsr_error *error);

#endif
