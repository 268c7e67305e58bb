/* The supervisor of a foreground container or exec. */
#ifndef TSR_CORE_FOREGROUND_H
#define TSR_CORE_FOREGROUND_H

#include <sys/types.h>

#include "error.h"

/*
 * Gives a new container terminal our window size and stops it from adding carriage returns. Call it
 * before a program runs on the terminal, which may look at the size or write at once. Never fails.
 */
void tsr_foreground_prepare(int master);

/* What the container says to `socket` of its state (sd_notify(3)) goes to `host`. */
struct tsr_notify_pair {
    int socket;
    int host;
};

/*
 * Passes signals and, with a terminal (master >= 0), bytes and window sizes on until the child has
 * exited and its output is written; then reaps it. *status is what a shell would see: exit code or
 * 128 + signal. The caller keeps all fds. Only one call at a time (EBUSY).
 */
int tsr_foreground(pid_t pid, int pidfd, int master, const struct tsr_notify_pair *notify,
                   int *status, struct tsr_error *error);

#endif
