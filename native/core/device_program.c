/* bpf(2) for device programs: load, attach, and detach what was there before. */
#define _GNU_SOURCE
#include "device_program.h"

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scoped_fd.h"

/* BPF_CGROUP_MAX_PROGS: the kernel attaches no more to one cgroup. */
#define MAX_PROGRAMS 64

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
    return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

static int load(const void *program, size_t size)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attr.insns = (uintptr_t)program;
    attr.insn_cnt = (uint32_t)(size / sizeof(struct bpf_insn));
    attr.license = (uintptr_t) "Apache"; /* the programs call no GPL-only helper */
    return bpf(BPF_PROG_LOAD, &attr);
}

/* Fds of the programs attached to this very cgroup; returns their number or -1. */
static int open_attached(int cgroup, int fds[MAX_PROGRAMS], struct tsr_error *error)
{
    uint32_t ids[MAX_PROGRAMS];
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.query.target_fd = (uint32_t)cgroup;
    attr.query.attach_type = BPF_CGROUP_DEVICE;
    attr.query.prog_ids = (uintptr_t)ids;
    attr.query.prog_cnt = MAX_PROGRAMS;
    if (bpf(BPF_PROG_QUERY, &attr) != 0)
        return tsr_fail(error, "bpf");

    int count = 0;
    const uint32_t found = attr.query.prog_cnt;
    for (uint32_t index = 0; index < found && index < MAX_PROGRAMS; index++) {
        memset(&attr, 0, sizeof attr);
        attr.prog_id = ids[index];
        int fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
        if (fd < 0 && errno == ENOENT) /* detached by somebody else meanwhile */
            continue;
        if (fd < 0) {
            int number = errno;
            while (count > 0)
                close(fds[--count]);
            return tsr_fail_with(error, number, "bpf");
        }
        fds[count++] = fd;
    }
    return count;
}

static int attach(int cgroup, int program, int replaced)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.target_fd = (uint32_t)cgroup;
    attr.attach_type = BPF_CGROUP_DEVICE;
    attr.attach_bpf_fd = (uint32_t)program;
    attr.attach_flags = BPF_F_ALLOW_MULTI;
    if (replaced >= 0) {
        attr.attach_flags |= BPF_F_REPLACE;
        attr.replace_bpf_fd = (uint32_t)replaced;
    }
    return bpf(BPF_PROG_ATTACH, &attr);
}

static int detach(int cgroup, int program)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.target_fd = (uint32_t)cgroup;
    attr.attach_type = BPF_CGROUP_DEVICE;
    attr.attach_bpf_fd = (uint32_t)program;
    return bpf(BPF_PROG_DETACH, &attr);
}

int tsr_device_program_set(int cgroup, const void *program, size_t size, struct tsr_error *error)
{
    if (size == 0 || size % sizeof(struct bpf_insn) != 0)
        return tsr_fail_with(error, EINVAL, "bpf");
    TSR_SCOPED_FD int fd = load(program, size);
    if (fd < 0)
        return tsr_fail(error, "bpf");

    int old[MAX_PROGRAMS];
    int count = open_attached(cgroup, old, error);
    if (count < 0)
        return -1;

    /*
     * BPF_F_REPLACE (5.6) swaps one for one; before that, and for several, attach first, then
     * detach.
     */
    bool replaced = count == 1 && attach(cgroup, fd, old[0]) == 0;
    int result = replaced || attach(cgroup, fd, -1) == 0 ? 0 : tsr_fail(error, "bpf");
    for (int index = 0; index < count; index++) {
        if (result == 0 && !replaced && detach(cgroup, old[index]) != 0 && errno != ENOENT)
            result = tsr_fail(error, "bpf");
        close(old[index]);
    }
    return result;
}
