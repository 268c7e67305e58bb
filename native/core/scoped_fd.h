/* Fds that close themselves at the end of their scope, so that every early return is leak free. */
#ifndef TSR_CORE_SCOPED_FD_H
#define TSR_CORE_SCOPED_FD_H

#include <unistd.h>

static inline void tsr_scoped_fd_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* Declare as `TSR_SCOPED_FD int fd = open(...);`. */
#define TSR_SCOPED_FD __attribute__((cleanup(tsr_scoped_fd_close)))

/* Hands the fd to the caller: the scope no longer closes it. */
static inline int tsr_take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

#endif
