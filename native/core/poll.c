/* poll(2) with a deadline instead of a timeout that starts again after each signal. */
#define _GNU_SOURCE
#include "poll.h"

#include <stdint.h>
#include <time.h>

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int tsr_poll(struct pollfd *fds, size_t nfds, int timeout_ms, struct tsr_error *error)
{
    const int64_t deadline = timeout_ms > 0 ? now_ms() + timeout_ms : 0;
    int left = timeout_ms;
    for (;;) {
        int ready = poll(fds, nfds, left);
        if (ready >= 0)
            return ready;
        if (errno != EINTR)
            return tsr_fail(error, "poll");
        if (timeout_ms > 0) {
            int64_t rest = deadline - now_ms();
            left = rest > 0 ? (int)rest : 0;
        }
    }
}
