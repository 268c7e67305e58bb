/* Asks the running kernel which seccomp actions and filter flags it knows; never loads a filter. */
#define _GNU_SOURCE
#include "seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

bool tsr_seccomp_has_action(uint32_t action)
{
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0) {
        return true;
    }
    /* Before 4.14 the question itself is unknown (EINVAL); these actions are as old as filters. */
    return errno == EINVAL &&
           (action == SECCOMP_RET_KILL_THREAD || action == SECCOMP_RET_TRAP ||
            action == SECCOMP_RET_ERRNO || action == SECCOMP_RET_TRACE ||
            action == SECCOMP_RET_ALLOW);
}

bool tsr_seccomp_has_flags(uint32_t flags)
{
    /* Flags are checked before the program is read: EFAULT says that only the program missed. */
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) != 0 && errno == EFAULT;
}
