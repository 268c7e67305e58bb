/* What the tests of init share: an init as it is before its first operation. */
#ifndef TSR_TEST_START_INIT_H
#define TSR_TEST_START_INIT_H

#include "../init/init.h"
#include "../init/sys.h"
#include "check.h"

/* The state that main.c sets up, with nothing open but procfs. */
static inline void start_init(struct init *c) {
    memset(c, 0, sizeof *c);
    memset(c->slots, -1, sizeof c->slots);
    c->sync_fd = c->root_fd = c->null_fd = c->empty_fd = c->state_fd = -1;
    c->umask = 022;
    c->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(c->proc_fd >= 0);
}

#endif
