/* What the tests of init share: assertions, a count of open fds, an init that works in a directory. */
#ifndef TSR_TEST_CHECK_H
#define TSR_TEST_CHECK_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../init/init.h"
#include "../init/sys.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, strerror(errno));  \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static inline int count_fds(void) {
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

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
