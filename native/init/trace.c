/* Where init's time goes, when the plan asks for it. The parent puts it into a file (runtime/base/trace.ts). */
#include <stdio.h>
#include <time.h>

#include "init.h"

/* More ops than that are not traced. Pages that are not written cost nothing. */
#define TRACED_OPS 8192
#define TIMES_A_MESSAGE 190

static uint64_t ends[TRACED_OPS];
static uint32_t sent;

int op_trace(struct init *c, const struct tsr_args_trace *a) {
    (void)a;
    c->is_traced = true;
    sent = c->index;
    return 0;
}

void trace_end(struct init *c) {
    struct timespec now;
    if (!c->is_traced || c->index >= TRACED_OPS)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    ends[c->index] = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* As text, like all that init reports. */
void send_trace(struct init *c) {
    uint32_t end = c->index < TRACED_OPS ? c->index : TRACED_OPS;
    while (c->is_traced && sent < end) {
        char text[TIMES_A_MESSAGE * 21];
        size_t length = 0;
        uint32_t first = sent;
        for (; sent < end && sent - first < TIMES_A_MESSAGE; sent++)
            length += (size_t)snprintf(text + length, sizeof text - length, "%llu ",
                                       (unsigned long long)ends[sent]);
        if (!send_message(c, MESSAGE_TRACE, 0, first, text, length, -1))
            return;
    }
}
