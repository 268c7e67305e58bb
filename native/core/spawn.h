/* Starting a program without forking the caller's address space. */
#ifndef TSR_CORE_SPAWN_H
#define TSR_CORE_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

/* stdin, stdout, stderr and a few more: what a logger or a daemon expects at fixed numbers. */
#define TSR_SPAWN_MAX_STDIO 8

struct tsr_spawn_options {
    const char *path;   /* executable, or NULL to use file_fd */
    int file_fd;        /* execveat(AT_EMPTY_PATH) when path is NULL */
    char *const *argv;  /* NULL-terminated */
    char *const *envp;  /* NULL-terminated */
    int stdio[TSR_SPAWN_MAX_STDIO]; /* fds that become 0, 1, 2 and so on; -1 is /dev/null */
    size_t nstdio;                  /* 3 at least */
    const int *keep;                /* fds >= nstdio which stay open under their numbers */
    size_t nkeep;
    uint64_t clone_flags; /* CLONE_NEW* only */
    int cgroup_fd;        /* for CLONE_INTO_CGROUP, or -1 */
    bool new_session;     /* setsid(2): the child leaves our process group and terminal */
};

struct tsr_spawned {
    pid_t pid;
    int pidfd; /* close-on-exec; the caller closes it */
};

/*
 * Starts a program and returns once it has been executed. The child gets default signal
 * dispositions, an empty signal mask and exactly the fds named in the options. A failure in the
 * child, the exec included, is reported here with the name of its own syscall, and the child has
 * been reaped.
 */
int tsr_spawn(const struct tsr_spawn_options *options, struct tsr_spawned *spawned,
              struct tsr_error *error);

#endif
