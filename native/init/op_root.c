/* Operations on the container's root: making it, changing into it. */
#include <stdio.h>
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

int op_move_root(struct init *c, const struct tsr_args_move_root *a) {
    (void)a;
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
