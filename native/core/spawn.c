/*
 * Starts programs with vfork semantics: clone3(CLONE_VM|CLONE_VFORK) on a stack of its own, then
 * exec.
 */
#define _GNU_SOURCE
#include "spawn.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scoped_fd.h"

/* Frames that the child leaves by exec stay poisoned in the shadow memory, which it shares with us. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define FORGET_FRAMES(stack) ASAN_UNPOISON_MEMORY_REGION(stack, sizeof(stack))
#else
#define FORGET_FRAMES(stack) ((void)0)
#endif

/*
 * The child shares our memory and we sleep until it has executed or exited. It runs on its own
 * stack (a buffer in our frame), so unlike vfork(2) it cannot disturb a frame the parent returns
 * to, whatever the compiler does. Other threads of the engine keep running, so the child does
 * nothing but system calls: no malloc, no locks, no stdio. errno is safe, because the thread it
 * belongs to is asleep.
 */
#define CHILD_STACK_SIZE (32 * 1024)

#define NAMESPACE_FLAGS                                                                            \
    ((uint64_t)CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |          \
     CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWTIME)

/* The kernel's sigset and sigaction: glibc's hide signals 32 and 33, which it uses itself. */
typedef uint64_t kernel_sigset;
struct kernel_sigaction {
    void *handler;
    unsigned long flags;
    void *restorer;
    kernel_sigset mask;
};
#define KERNEL_NSIG 64

struct child {
    const struct tsr_spawn_options *options;
    struct tsr_error error; /* number is 0 until the child fails */
};

#if defined(__x86_64__)
static long clone_and_call(long number, long a, long b, long c, void (*entry)(struct child *),
                           struct child *child)
{
    long result;
    register long r10 __asm__("r10") = 0;
    register long r8 __asm__("r8") = 0;
    register void (*r12)(struct child *) __asm__("r12") = entry;
    register struct child *r13 __asm__("r13") = child;
    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xorl %%ebp, %%ebp\n\t"
                     "movq %%r13, %%rdi\n\t"
                     "callq *%%r12\n\t"
                     "ud2\n"
                     "1:"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r12), "r"(r13)
                     : "rcx", "r11", "memory", "cc");
    return result;
}
#elif defined(__aarch64__)
static long clone_and_call(long number, long a, long b, long c, void (*entry)(struct child *),
                           struct child *child)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = 0;
    register long x4 __asm__("x4") = 0;
    register void (*x19)(struct child *) __asm__("x19") = entry;
    register struct child *x20 __asm__("x20") = child;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, xzr\n\t"
                     "mov x30, xzr\n\t"
                     "mov x0, x20\n\t"
                     "blr x19\n\t"
                     "brk #1\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x19), "r"(x20)
                     : "memory", "cc");
    return x0;
}
#else
#error "spawn.c: add the clone call of this architecture"
#endif

static _Noreturn void child_fail(struct child *child, const char *syscall_name)
{
    tsr_fail(&child->error, syscall_name);
    _exit(127);
}

/*
 * Engines ignore SIGPIPE and SIGXFSZ, and a disposition "ignored" survives execve: every signal
 * goes back to its default. The two signals glibc reserves are included, hence the raw system call.
 */
static void reset_signals(void)
{
    struct kernel_sigaction action;
    memset(&action, 0, sizeof action);
    for (int number = 1; number <= KERNEL_NSIG; number++)
        syscall(SYS_rt_sigaction, number, &action, NULL, sizeof action.mask);
}

/*
 * close_range(CLOSE_RANGE_CLOEXEC) for kernels before 5.11: walks /proc/self/fd without allocating.
 */
static int cloexec_by_proc(int first)
{
    TSR_SCOPED_FD int directory = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -1;
    _Alignas(struct dirent64) char buffer[2048];
    for (;;) {
        long size = syscall(SYS_getdents64, directory, buffer, sizeof buffer);
        if (size <= 0)
            return (int)size;
        for (long at = 0; at < size;) {
            const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);
            int fd = 0;
            for (const char *digit = entry->d_name; *digit >= '0' && *digit <= '9'; digit++)
                fd = fd * 10 + (*digit - '0');
            if (fd >= first && fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
                return -1;
            at += entry->d_reclen;
        }
    }
}

/*
 * Puts the stdio fds in place. All sources are first moved above the targets, so that any
 * permutation and any duplicate works; the copies are close-on-exec.
 */
static int place_stdio(const int stdio[], int count)
{
    int copies[TSR_SPAWN_MAX_STDIO];
    for (int target = 0; target < count; target++) {
        int source = stdio[target];
        TSR_SCOPED_FD int null = -1;
        if (source < 0) {
            source = null = open("/dev/null", O_RDWR | O_CLOEXEC);
            if (null < 0)
                return -1;
        }
        copies[target] = fcntl(source, F_DUPFD_CLOEXEC, count);
        if (copies[target] < 0)
            return -1;
    }
    for (int target = 0; target < count; target++) {
        if (dup3(copies[target], target, 0) < 0)
            return -1;
    }
    return 0;
}

static _Noreturn void run_child(struct child *child)
{
    const struct tsr_spawn_options *options = child->options;
    const int nstdio = (int)options->nstdio;

    reset_signals();
    if (options->new_session && setsid() < 0)
        child_fail(child, "setsid");

    int file_fd = options->file_fd;
    if (options->path == NULL && file_fd < nstdio) {
        file_fd = fcntl(file_fd, F_DUPFD_CLOEXEC, nstdio);
        if (file_fd < 0)
            child_fail(child, "fcntl");
    }
    if (place_stdio(options->stdio, nstdio) != 0)
        child_fail(child, "dup3");
    if (syscall(SYS_close_range, (unsigned)nstdio, ~0U, CLOSE_RANGE_CLOEXEC) != 0 &&
        cloexec_by_proc(nstdio) != 0)
        child_fail(child, "close_range");
    for (size_t index = 0; index < options->nkeep; index++) {
        if (fcntl(options->keep[index], F_SETFD, 0) != 0)
            child_fail(child, "fcntl");
    }

    kernel_sigset none = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
    if (options->path != NULL)
        execve(options->path, options->argv, options->envp);
    else
        syscall(SYS_execveat, file_fd, "", options->argv, options->envp, AT_EMPTY_PATH);
    child_fail(child, "execve");
}

/*
 * clone3, or where a seccomp filter hides it (ENOSYS, docker before 20.10.10) clone with the same
 * meaning, as far as clone can express it. Returns the pid or a negative errno.
 */
static long clone_child(const struct tsr_spawn_options *options, struct child *child, int *pidfd,
                        unsigned char *stack)
{
    const uint64_t flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | options->clone_flags;
    struct clone_args args;
    memset(&args, 0, sizeof args);
    args.flags = flags;
    args.pidfd = (uintptr_t)pidfd;
    args.exit_signal = SIGCHLD;
    args.stack = (uintptr_t)stack;
    args.stack_size = CHILD_STACK_SIZE;
    if (options->cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint32_t)options->cgroup_fd;
    }
    long pid = clone_and_call(SYS_clone3, (long)&args, sizeof args, 0, run_child, child);
    if (pid != -ENOSYS || options->cgroup_fd >= 0 || (flags & CLONE_NEWTIME) != 0)
        return pid;
    return clone_and_call(SYS_clone, (long)(flags | SIGCHLD), (long)(stack + CHILD_STACK_SIZE),
                          (long)pidfd, run_child, child);
}

int tsr_spawn(const struct tsr_spawn_options *options, struct tsr_spawned *spawned,
              struct tsr_error *error)
{
    if ((options->clone_flags & ~NAMESPACE_FLAGS) != 0)
        return tsr_fail_with(error, EINVAL, "clone3");
    if (options->nstdio < 3 || options->nstdio > TSR_SPAWN_MAX_STDIO)
        return tsr_fail_with(error, EINVAL, "dup3");

    _Alignas(16) unsigned char stack[CHILD_STACK_SIZE];
    struct child child = {.options = options, .error = {.number = 0, .syscall = NULL}};
    TSR_SCOPED_FD int pidfd = -1;

    /* A caller that ignores SIGCHLD hands that down: the kernel would keep no status to wait for. */
    struct sigaction action;
    if (sigaction(SIGCHLD, NULL, &action) == 0 && (action.sa_flags & SA_SIGINFO) == 0 &&
        action.sa_handler == SIG_IGN)
        signal(SIGCHLD, SIG_DFL);

    /* No handler of ours may run in the child: it would run in our memory, believing to be us. */
    kernel_sigset all = ~(kernel_sigset)0;
    kernel_sigset old;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof all);
    long pid = clone_child(options, &child, &pidfd, stack);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof old);
    FORGET_FRAMES(stack);

    if (pid < 0)
        return tsr_fail_with(error, (int)-pid, "clone3");
    if (child.error.number != 0) {
        while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        *error = child.error;
        return -1;
    }
    spawned->pid = (pid_t)pid;
    spawned->pidfd = tsr_take_fd(&pidfd);
    return 0;
}
