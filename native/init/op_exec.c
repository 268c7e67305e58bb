/* The last operations: finding the program, waiting for start, becoming the container. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "init.h"
#include "sys.h"

/* 0 when `path` is a file that somebody may execute; root could execute nothing without any x bit either. */
static int check_executable(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    return (st.st_mode & 0111) != 0 ? 0 : -EACCES;
}

int op_find_executable(struct init *c, const struct tsr_args_find_executable *a) {
    if (strchr(a->name, '/') != NULL) {
        size_t length = strlen(a->name);
        if (length >= sizeof c->executable)
            return refused(c, "stat", ENAMETOOLONG);
        memcpy(c->executable, a->name, length + 1);
        int result = check_executable(a->name);
        return result == 0 ? 0 : refused(c, "stat", -result);
    }
    const char *dir = a->search_path;
    while (a->name[0] != 0) {
        size_t length = strcspn(dir, ":");
        int written = snprintf(c->executable, sizeof c->executable, "%.*s%s%s", (int)length, dir,
                               length == 0 ? "" : "/", a->name);
        if (written > 0 && (size_t)written < sizeof c->executable &&
            check_executable(c->executable) == 0)
            return 0;
        if (dir[length] == 0)
            break;
        dir += length + 1;
    }
    return refused(c, "look up", ENOENT);
}

/* Waits until somebody connects and says go; a caller that vanishes before that changes nothing. */
int op_start_gate(struct init *c, const struct tsr_args_start_gate *a) {
    close(c->sync_fd);
    for (;;) {
        c->sync_fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC);
        if (c->sync_fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            _exit(1); /* nobody can be told */
        }
        if (receive_answer(c))
            break;
        close(c->sync_fd);
    }
    /* of several callers at once only one gets this; the others' connections end with the listener */
    send_message(c, MESSAGE_STARTED, 0, 0, NULL, 0, -1);
    close(a->fd);
    return 0;
}

/* The smallest of the fds that is not below `from`, ~0U for none. */
static unsigned next_of(const int fds[3], unsigned from) {
    unsigned next = ~0U;
    for (int i = 0; i < 3; i++) {
        if (fds[i] >= 0 && (unsigned)fds[i] >= from && (unsigned)fds[i] < next)
            next = (unsigned)fds[i];
    }
    return next;
}

/*
 * Close-on-exec is not enough: what is open while the image's program is looked up and executed can be part of
 * its path, /proc/self/fd/N/1/root/bin/sh by our handle of the host's procfs (CVE-2024-21626).
 */
int op_seal_fds(struct init *c, const struct tsr_args_seal_fds *a) {
    const int kept[3] = {c->sync_fd, c->state_fd, a->keep};
    if (a->first < 3 || next_of(kept, 0) < a->first)
        return refused(c, "seal", EBADF);
    for (unsigned fd = 3; fd < a->first; fd++) {
        if (fcntl((int)fd, F_SETFD, 0) != 0)
            return failed(c, "fcntl");
    }
    for (unsigned from = a->first, next; from != 0; from = next + 1) {
        next = next_of(kept, from);
        if (next > from && sys_close_range(from, next == ~0U ? next : next - 1, 0) != 0)
            return failed(c, "close_range");
    }
    c->proc_fd = c->root_fd = c->null_fd = c->empty_fd = -1;
    memset(c->slots, -1, sizeof c->slots);
    return 0;
}

int op_execute(struct init *c, const struct tsr_args_execute *a) {
    char **args = calloc((size_t)a->args.count + 1, sizeof *args);
    char **env = calloc((size_t)a->env.count + 2, sizeof *env);
    if (args == NULL || env == NULL)
        return refused(c, "calloc", ENOMEM);
    for (uint32_t i = 0; i < a->args.count; i++)
        args[i] = (char *)plan_string(&c->plan, a->args, i);
    for (uint32_t i = 0; i < a->env.count; i++)
        env[i] = (char *)plan_string(&c->plan, a->env, i);
    if (c->home[0] != 0)
        env[a->env.count] = c->home;
    send_trace(c);
    send_message(c, MESSAGE_EXEC, 0, 0, NULL, 0, -1);
    signal(SIGPIPE, SIG_DFL);
    execve(c->executable, args, env);
    int result = failed(c, "execve");
    set_detail(c, c->executable, NULL);
    return result;
}
