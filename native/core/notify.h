/* sd_notify(3) messages of a container for the service manager that supervises us. */
#ifndef TSR_CORE_NOTIFY_H
#define TSR_CORE_NOTIFY_H

#include <stdbool.h>

#include "error.h"

/*
 * A SOCK_DGRAM socket `name` in the directory, writable by everybody: whom the directory keeps out
 * stays out. Replaces one that nobody listens on; EADDRINUSE when somebody does. EINVAL when name
 * has a slash.
 */
int tsr_notify_listen_at(int directory, const char *name, struct tsr_error *error);

/* Connects to what $NOTIFY_SOCKET says: a path, or with '@' at first an abstract name. */
int tsr_notify_connect(const char *address, struct tsr_error *error);

/*
 * Takes one datagram, if there is one, and sends the lines a container may say on to host: READY=1,
 * STATUS=, STOPPING=1, EXTEND_TIMEOUT_USEC=. Others (MAINPID=, FDSTORE=...) would speak for us and are
 * dropped, as are fds. *ready: did it hold READY=1?
 */
int tsr_notify_forward(int socket, int host, bool *ready, struct tsr_error *error);

#endif
