/* Waiting for fds. */
#ifndef TSR_CORE_POLL_H
#define TSR_CORE_POLL_H

#include <poll.h>
#include <stddef.h>

#include "error.h"

/*
 * poll(2) that survives signals: the timeout (ms, -1 for none) is a total. Returns the ready count.
 */
int tsr_poll(struct pollfd *fds, size_t nfds, int timeout_ms, struct tsr_error *error);

#endif
