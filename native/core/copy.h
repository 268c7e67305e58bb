/* Moving bytes from one fd to another in turns, without ever waiting in a turn. */
#ifndef TSR_CORE_COPY_H
#define TSR_CORE_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* What one read takes at most, where bytes go through a buffer. */
#define TSR_COPY_BUFFER 16384

enum tsr_copy_kind {
    TSR_COPY_PIPE,   /* pipes and fifos */
    TSR_COPY_SOCKET, /* any type of stream */
    TSR_COPY_DEVICE, /* terminals, /dev/null */
    TSR_COPY_FILE,   /* all else */
};

struct tsr_copy {
    int from;
    int to;
    enum tsr_copy_kind from_kind;
    enum tsr_copy_kind to_kind;
    bool splices; /* both are pipes: pages change hands, nothing is read */
    /* What has been read and did not go into `to`: a mapping, so that it leaves no trace. */
    uint8_t *pending;
    size_t pending_at;
    size_t pending_end;
};

/* How a turn ended: what the next one needs. */
enum tsr_copy_next {
    TSR_COPY_AGAIN,     /* nothing: it has used up its share */
    TSR_COPY_WAIT_FROM, /* `from` readable or hung up, which it may be already */
    TSR_COPY_WAIT_TO,   /* `to` writable or gone; `from` may be hung up meanwhile */
    TSR_COPY_DONE,
};

/*
 * Prepares a copy, which owns both fds from now on, also on failure (they are closed then). Where
 * it is not a pipe on both sides, pipes and devices are made non-blocking; everyone who shares the
 * open file would notice. Two pipes are left as they are.
 */
int tsr_copy_open(struct tsr_copy *copy, int from, int to, struct tsr_error *error);

/*
 * One turn: moves what it can, up to a share. `buffer` has TSR_COPY_BUFFER bytes and may be shared
 * between copies. With TSR_COPY_DONE `*result` is 0 at the end of `from`, else an errno: EPIPE when
 * nobody reads `to`.
 *
 * - May only be called once `from` was reported readable or hung up: a fifo without a writer yet
 *   reads as ended.
 * - Files block as long as their disk takes.
 * - SIGPIPE has to be blocked or ignored.
 * - EIO of a terminal's master is its end: no process has the slave open. One that nobody has
 *   opened yet looks the same, so the caller starts to copy when somebody has.
 */
enum tsr_copy_next tsr_copy_turn(struct tsr_copy *copy, uint8_t *buffer, int *result);

/* Closes both fds and forgets what is pending. Idempotent. */
void tsr_copy_close(struct tsr_copy *copy);

#endif
