/* pidfds, waitpid and the subreaper attribute. */
#define _GNU_SOURCE
#include "process.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int tsr_pidfd_open(pid_t pid, struct tsr_error *error)
{
    long fd = syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? tsr_fail(error, "pidfd_open") : (int)fd;
}

int tsr_pidfd_get_fd(int pidfd, int fd, struct tsr_error *error)
{
    long copy = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
    return copy < 0 ? tsr_fail(error, "pidfd_getfd") : (int)copy;
}

int tsr_pidfd_signal(int pidfd, int signal, struct tsr_error *error)
{
    if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) != 0)
        return tsr_fail(error, "pidfd_send_signal");
    return 0;
}

/* As tsr_wait_pid, for what waitpid(2) takes as a pid. */
static int wait_for(pid_t which, int flags, pid_t *pid, int *status, struct tsr_error *error)
{
    int raw;
    do {
        *pid = waitpid(which, &raw, flags);
    } while (*pid < 0 && errno == EINTR);
    if (*pid < 0)
        return tsr_fail(error, "waitpid");
    if (*pid == 0)
        return 0;
    *status = WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
    return 1;
}

int tsr_wait_pid(pid_t pid, bool no_hang, int *status, struct tsr_error *error)
{
    /* Zero and negative pids mean "any child", which would steal somebody else's exit. */
    if (pid <= 0)
        return tsr_fail_with(error, EINVAL, "waitpid");
    return wait_for(pid, no_hang ? WNOHANG : 0, &pid, status, error);
}

int tsr_reap_any(pid_t *pid, int *status, struct tsr_error *error)
{
    int result = wait_for(-1, WNOHANG, pid, status, error);
    return result < 0 && error->number == ECHILD ? 0 : result;
}

int tsr_set_subreaper(bool on, struct tsr_error *error)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, on ? 1UL : 0UL, 0UL, 0UL, 0UL) != 0)
        return tsr_fail(error, "prctl");
    return 0;
}
