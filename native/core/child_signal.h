/* SIGCHLD as something that can be waited for along with everything else. */
#ifndef TSR_CORE_CHILD_SIGNAL_H
#define TSR_CORE_CHILD_SIGNAL_H

#include "error.h"

/*
 * Installs a handler for SIGCHLD (SA_RESTART, SA_NOCLDSTOP) that makes an eventfd readable and then
 * calls the handler that was there. Returns the eventfd, which stays open as long as the process
 * lives: a handler may be running on any thread. Does nothing the second time.
 */
int tsr_child_signal_start(struct tsr_error *error);

/* Puts the former handler back, unless somebody has replaced ours since. */
void tsr_child_signal_stop(void);

#endif
