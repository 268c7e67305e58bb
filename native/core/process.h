/* Children and other processes: pidfds, signals, waiting. */
#ifndef TSR_CORE_PROCESS_H
#define TSR_CORE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "error.h"

/* A pidfd, close-on-exec; the caller closes it. */
int tsr_pidfd_open(pid_t pid, struct tsr_error *error);

/* A copy of the process's fd, close-on-exec (pidfd_getfd(2)); needs the right to trace the process. */
int tsr_pidfd_get_fd(int pidfd, int fd, struct tsr_error *error);

int tsr_pidfd_signal(int pidfd, int signal, struct tsr_error *error);

/*
 * Reaps an own child: 1 with *status as a shell gives it (exit code, or 128 + signal), 0 when
 * no_hang and it is still alive, -1 on failure.
 */
int tsr_wait_pid(pid_t pid, bool no_hang, int *status, struct tsr_error *error);

/* The same for any child that has ended; 0 when there is none, or no child at all. */
int tsr_reap_any(pid_t *pid, int *status, struct tsr_error *error);

int tsr_set_subreaper(bool on, struct tsr_error *error);

#endif
