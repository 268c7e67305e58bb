/* Operations on the container's root: making it, changing into it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "init.h"
#include "sys.h"

static int set_root(struct init *c, int fd) {
    if (c->root_fd >= 0)
        close(c->root_fd);
    c->root_fd = fd;
    return 0;
}

int op_attach_root(struct init *c, const struct tsr_args_attach_root *a) {
    if (a->slot >= INIT_SLOTS || c->slots[a->slot] < 0)
        return refused(c, "slot", EBADF);
    int at = open(a->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return failed(c, "open");
    int result = sys_move_mount(c->slots[a->slot], at) == 0 ? 0 : failed(c, "move_mount");
    close(at);
    if (result < 0)
        return result;
    set_root(c, c->slots[a->slot]);
    c->slots[a->slot] = -1;
    return 0;
}

int op_open_root(struct init *c, const struct tsr_args_open_root *a) {
    int fd = open(a->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? failed(c, "open") : set_root(c, fd);
}

/* The old root is stacked below the new one, made a slave (no unmount may reach the host) and detached. */
int op_pivot_root(struct init *c, const struct tsr_args_pivot_root *a) {
    (void)a;
    end_slots(c);
    int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (old < 0)
        return failed(c, "open /");
    int result = 0;
    if (fchdir(c->root_fd) != 0)
        result = failed(c, "fchdir");
    else if (syscall(SYS_pivot_root, ".", ".") != 0)
        result = failed(c, "pivot_root");
    else if (fchdir(old) != 0)
        result = failed(c, "fchdir");
    else if (sys_mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) != 0)
        result = failed(c, "mount");
    else if (syscall(SYS_umount2, ".", 2 /* MNT_DETACH */) != 0)
        result = failed(c, "umount2");
    else if (chdir("/") != 0)
        result = failed(c, "chdir");
    close(old);
    return result;
}

/* Undoes the octal escapes of mountinfo, in place. */
static void unescape(char *text) {
    char *to = text;
    for (const char *from = text; *from != 0; to++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] != 0 && from[3] != 0) {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = 0;
}

/* The mount point in a line of mountinfo if a procfs or a sysfs is mounted there, else NULL. */
static char *revealing_mount(char *line) {
    char *point = NULL, *rest = line;
    for (int i = 0; i < 5 && rest != NULL; i++)
        point = strsep(&rest, " ");
    char *type = rest == NULL ? NULL : strstr(rest, " - ");
    if (type == NULL || (strncmp(type, " - proc ", 8) != 0 && strncmp(type, " - sysfs ", 9) != 0))
        return NULL;
    unescape(point);
    return point;
}

/* Covered and not unmounted: that would reach the peers of the mount it sits on, the host's too if it is shared. */
static int cover(struct init *c, const char *point) {
    if (sys_mount(NULL, point, NULL, MS_SLAVE, NULL) != 0)
        return errno == EINVAL || errno == ENOENT ? 0 /* covered already */ : failed(c, "mount");
    unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    return sys_mount("tmpfs", point, "tmpfs", flags, "nr_blocks=1,nr_inodes=1") == 0
               ? 0
               : failed(c, "mount");
}

/*
 * Unlike pivot_root, a move leaves the host's mounts in the namespace, below the new root. Without its procfs and
 * sysfs whoever gets there finds no unmasked files, and the kernel lets no new ones be mounted in a user namespace.
 */
static int cover_revealing_mounts(struct init *c) {
    char self[32], root[PATH_MAX], *line = NULL;
    size_t capacity = 0;
    snprintf(self, sizeof self, "self/fd/%d", c->root_fd);
    ssize_t length = readlinkat(c->proc_fd, self, root, sizeof root - 1);
    if (length < 0)
        return failed(c, "readlinkat");
    root[length] = 0;
    int fd = sys_openat2(c->proc_fd, "self/mountinfo", O_RDONLY, 0, RESOLVE_BENEATH);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "re");
    if (file == NULL)
        return failed(c, "open mountinfo");
    int result = 0;
    while (result == 0 && getline(&line, &capacity, file) > 0) {
        const char *point = revealing_mount(line);
        bool inside = point != NULL && strncmp(point, root, (size_t)length) == 0 &&
                      (point[length] == '/' || point[length] == 0);
        if (point != NULL && !inside)
            result = cover(c, point);
    }
    free(line);
    fclose(file);
    return result;
}

int op_move_root(struct init *c, const struct tsr_args_move_root *a) {
    (void)a;
    end_slots(c);
    int result = cover_revealing_mounts(c);
    if (result < 0)
        return result;
    if (fchdir(c->root_fd) != 0)
        return failed(c, "fchdir");
    if (sys_mount(".", "/", NULL, MS_MOVE, NULL) != 0)
        return failed(c, "mount");
    if (chroot(".") != 0)
        return failed(c, "chroot");
    return chdir("/") == 0 ? 0 : failed(c, "chdir");
}

int op_chroot(struct init *c, const struct tsr_args_chroot *a) {
    (void)a;
    end_slots(c);
    if (fchdir(c->root_fd) != 0)
        return failed(c, "fchdir");
    if (chroot(".") != 0)
        return failed(c, "chroot");
    return chdir("/") == 0 ? 0 : failed(c, "chdir");
}

int op_set_root_attributes(struct init *c, const struct tsr_args_set_root_attributes *a) {
    struct mount_attr attr = {.attr_set = a->set, .propagation = a->propagation};
    return sys_mount_setattr(c->root_fd, 0, &attr) == 0 ? 0 : failed(c, "mount_setattr");
}

int op_set_propagation(struct init *c, const struct tsr_args_set_propagation *a) {
    return sys_mount(NULL, a->path, NULL, (unsigned long)a->flags, NULL) == 0 ? 0
                                                                             : failed(c, "mount");
}
