/* The error convention of native/core: a function returns -1 and fills a tsr_error, or succeeds. */
#ifndef TSR_CORE_ERROR_H
#define TSR_CORE_ERROR_H

#include <errno.h>

/* Why a call failed. `syscall` is a string literal; nothing here needs freeing. */
struct tsr_error {
    int number;
    const char *syscall;
};

static inline int tsr_fail_with(struct tsr_error *error, int number, const char *syscall)
{
    error->number = number;
    error->syscall = syscall;
    return -1;
}

/* Records errno. Scope guards run after this, so closing fds cannot overwrite it. */
static inline int tsr_fail(struct tsr_error *error, const char *syscall)
{
    return tsr_fail_with(error, errno, syscall);
}

#endif
