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
    int result = -ENOENT;
    if (strchr(a->name, '/') != NULL) {
        if (strlen(a->name) >= sizeof c->executable)
            return refused(c, "stat", ENAMETOOLONG);
        strcpy(c->executable, a->name);
        result = check_executable(a->name);
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
    return refused(c, "look up", -result);
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
    close(a->fd);
    return 0;
}

int op_seal_fds(struct init *c, const struct tsr_args_seal_fds *a) {
    for (unsigned fd = 3; fd < a->first; fd++)
        fcntl((int)fd, F_SETFD, 0);
    return sys_close_range(a->first, ~0U, CLOSE_RANGE_CLOEXEC) == 0 ? 0 : failed(c, "close_range");
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
    send_message(c, MESSAGE_EXEC, 0, 0, NULL, 0, -1);
    execve(c->executable, args, env);
    int result = failed(c, "execve");
    set_detail(c, c->executable, NULL);
    return result;
}
