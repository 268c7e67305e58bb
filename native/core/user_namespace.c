/*
 * Makes user namespaces without a process that stays: the child exits at once, and as long as nobody has waited for
 * it procfs still shows its credentials, namespace included.
 */
#define _GNU_SOURCE
#include "user_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "scoped_fd.h"

/*
 * A child that exits right after the clone, without touching a stack, so that it may share our memory and nothing of
 * a large engine is copied. Without an exit signal: only wait with __WALL sees it, whoever else reaps children here.
 */
static long clone_and_exit(void)
{
    const long flags = CLONE_NEWUSER | CLONE_VM | CLONE_VFORK;
    long result;
#if defined(__x86_64__)
    register long r10 __asm__("r10") = 0;
    register long r8 __asm__("r8") = 0;
    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "movl %[number], %%eax\n\t"
                     "xorl %%edi, %%edi\n\t"
                     "syscall\n\t"
                     "ud2\n"
                     "1:"
                     : "=a"(result)
                     : "0"((long)SYS_clone), "D"(flags), "S"(0L), "d"(0L), "r"(r10), "r"(r8),
                       [number] "i"(SYS_exit)
                     : "rcx", "r11", "memory", "cc");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = SYS_clone;
    register long x0 __asm__("x0") = flags;
    register long x1 __asm__("x1") = 0;
    register long x2 __asm__("x2") = 0;
    register long x3 __asm__("x3") = 0;
    register long x4 __asm__("x4") = 0;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x8, %[number]\n\t"
                     "svc #0\n\t"
                     "brk #1\n"
                     "1:"
                     : "+r"(x0), "+r"(x8)
                     : "r"(x1), "r"(x2), "r"(x3), "r"(x4), [number] "i"(SYS_exit)
                     : "memory", "cc");
    result = x0;
#else
#error "user_namespace.c: add the clone call of this architecture"
#endif
    return result;
}

static int write_map(pid_t pid, const char *name, const char *lines, struct tsr_error *error)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    TSR_SCOPED_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return tsr_fail(error, "open id map");
    return write(fd, lines, strlen(lines)) < 0 ? tsr_fail(error, "write id map") : 0;
}

static int open_mapped(pid_t pid, const char *uid_map, const char *gid_map, struct tsr_error *error)
{
    if (write_map(pid, "uid_map", uid_map, error) != 0 ||
        write_map(pid, "gid_map", gid_map, error) != 0)
        return -1;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? tsr_fail(error, "open user namespace") : fd;
}

int tsr_user_namespace(const char *uid_map, const char *gid_map, struct tsr_error *error)
{
    const long pid = clone_and_exit();
    if (pid < 0)
        return tsr_fail_with(error, (int)-pid, "clone");
    const int fd = open_mapped((pid_t)pid, uid_map, gid_map, error);
    while (waitpid((pid_t)pid, NULL, __WALL) < 0 && errno == EINTR)
        continue;
    return fd;
}
