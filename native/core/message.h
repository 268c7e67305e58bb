/* Messages with file descriptors over unix sockets. */
#ifndef TSR_CORE_MESSAGE_H
#define TSR_CORE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

#define TSR_MESSAGE_MAX_BYTES (64 * 1024)
#define TSR_MESSAGE_MAX_FDS 8

struct tsr_message {
    uint8_t data[TSR_MESSAGE_MAX_BYTES];
    size_t size;
    int fds[TSR_MESSAGE_MAX_FDS]; /* close-on-exec; the caller closes them */
    size_t nfds;
};

/*
 * Sends all bytes, the fds with the first of them, and waits while the peer's queue is full. EINVAL
 * for an empty message: on SOCK_SEQPACKET it would read as end of file.
 */
int tsr_message_send(int socket, const void *data, size_t size, const int *fds, size_t nfds,
                     struct tsr_error *error);

/*
 * Receives one message without waiting: 1 with a message, 0 when the peer has closed, -1 on
 * failure: EAGAIN when nothing is there, EMSGSIZE when bytes or fds did not fit (the fds have been
 * closed).
 */
int tsr_message_receive(int socket, struct tsr_message *message, struct tsr_error *error);

#endif
