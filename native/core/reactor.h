/*
 * The I/O thread: waits for fds with epoll(7) and moves bytes, so that an engine that does something
 * else delays neither.
 *
 * All functions may be called from any thread but the I/O thread itself. Tokens name what is under
 * way; they are below 2^62, chosen by the caller and never used twice.
 */
#ifndef TSR_CORE_REACTOR_H
#define TSR_CORE_REACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct tsr_reactor;

struct tsr_event {
    uint64_t token;
    int value;
};

/*
 * Starts the thread, with all signals blocked in it. `notify` is called, on the I/O thread or out of
 * tsr_reactor_watch, when there are events after there were none: tsr_reactor_take has to be called
 * soon, on a thread that is not inside of notify.
 */
struct tsr_reactor *tsr_reactor_start(void (*notify)(void *context), void *context,
                                      struct tsr_error *error);

/* Ends the thread and all that is under way, closing the fds of copies; frees the reactor. */
void tsr_reactor_stop(struct tsr_reactor *reactor);

/*
 * Takes up to `most` events, in the order in which they happened; less than that means that notify
 * will be called for the next one.
 */
size_t tsr_reactor_take(struct tsr_reactor *reactor, struct tsr_event *events, size_t most);

/*
 * One event with poll(2)'s revents when the fd is readable (or writable) or hung up. The fd is
 * duplicated, so that it may be watched several times. Files that epoll refuses are ready at once.
 */
int tsr_reactor_watch(struct tsr_reactor *reactor, uint64_t token, int fd, bool writable,
                      struct tsr_error *error);

/* Takes a watch back with the event that it may have had and that nobody has taken. */
void tsr_reactor_unwatch(struct tsr_reactor *reactor, uint64_t token);

/* Copies as copy.h says and gives the result as one event. Owns both fds, also on failure. */
int tsr_reactor_copy(struct tsr_reactor *reactor, uint64_t token, int from, int to,
                     struct tsr_error *error);

/* Ends a copy without an event. One in the middle of a turn closes its fds after it. */
void tsr_reactor_cancel_copy(struct tsr_reactor *reactor, uint64_t token);

/* Gives events (token, 0) after SIGCHLD, until stop; several signals may be one event. */
int tsr_reactor_watch_children(struct tsr_reactor *reactor, uint64_t token,
                               struct tsr_error *error);

#endif
