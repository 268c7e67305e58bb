/* Operations for id-mapped mounts: a user namespace that only carries a mapping, and its use on a tree. */
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "init.h"
#include "sys.h"

/*
 * The pid of a child as the host's procfs numbers it. Where init was cloned into a pid namespace, clone(2) returns
 * another number.
 */
static int host_pid(struct init *c, int pidfd, char *pid, size_t size) {
    char path[64], text[512];
    snprintf(path, sizeof path, "self/fdinfo/%d", pidfd);
    int fd = sys_openat2(c->proc_fd, path, O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
    if (fd < 0)
        return failed(c, "open fdinfo");
    ssize_t length = read(fd, text, sizeof text - 1);
    int result = length < 0 ? failed(c, "read fdinfo") : 0;
    close(fd);
    if (result < 0)
        return result;
    text[length] = 0;
    const char *line = strstr(text, "Pid:\t");
    long number = line == NULL ? 0 : strtol(line + 5, NULL, 10);
    if (number <= 0)
        return refused(c, "read fdinfo", ESRCH);
    snprintf(pid, size, "%ld", number);
    return 0;
}

static int map_ids(struct init *c, const char *pid, const struct tsr_args_open_user_namespace *a) {
    char path[64];
    snprintf(path, sizeof path, "%s/uid_map", pid);
    int result = write_proc(c, path, a->uid_map);
    if (result < 0)
        return result;
    snprintf(path, sizeof path, "%s/gid_map", pid);
    return write_proc(c, path, a->gid_map);
}

static int open_namespace(struct init *c, const char *pid, uint32_t slot) {
    char path[64];
    snprintf(path, sizeof path, "%s/ns/user", pid);
    int fd = openat(c->proc_fd, path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? failed(c, "open ns/user") : keep_slot(c, slot, fd);
}

/* The namespace's only process: it ends with us, whatever happens. */
static _Noreturn void hold_namespace(const int pipe_fds[2]) {
    char nothing;
    close(pipe_fds[1]);
    while (read(pipe_fds[0], &nothing, 1) < 0 && errno == EINTR) {
    }
    _exit(0);
}

int op_open_user_namespace(struct init *c, const struct tsr_args_open_user_namespace *a) {
    char pid[32];
    int pidfd = -1, pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return failed(c, "pipe");
    long child = syscall(SYS_clone, (unsigned long)(CLONE_NEWUSER | CLONE_PIDFD | SIGCHLD), 0,
                         &pidfd, 0, 0);
    if (child == 0)
        hold_namespace(pipe_fds);
    close(pipe_fds[0]);
    int result = child < 0 ? failed(c, "clone") : host_pid(c, pidfd, pid, sizeof pid);
    if (result == 0)
        result = map_ids(c, pid, a);
    if (result == 0)
        result = open_namespace(c, pid, a->slot);
    close(pipe_fds[1]);
    if (child > 0) {
        waitpid((pid_t)child, NULL, 0);
        close(pidfd);
    }
    return result;
}

int op_id_map_mount(struct init *c, const struct tsr_args_id_map_mount *a) {
    int tree = slot_fd(c, a->slot);
    if (tree < 0)
        return tree;
    int user = a->fd >= 0 ? a->fd : slot_fd(c, a->namespace_slot);
    if (user < 0)
        return user;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user};
    return sys_mount_setattr(tree, a->recursive ? AT_RECURSIVE : 0, &attr) == 0
               ? 0
               : failed(c, "mount_setattr");
}
