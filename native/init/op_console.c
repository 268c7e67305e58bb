/* The operation that gives the container a terminal of its own devpts (CVE-2025-52565). */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>

#include "init.h"
#include "sys.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

/* The multiplexer has to be devpts' own: right file system, its inode 2, device 5:2. */
static int open_master(struct init *c) {
    struct statfs fs;
    struct stat st;
    int fd = open_in_root(c, "/dev/pts/ptmx", O_PATH, true);
    if (fd < 0)
        return fd;
    int master;
    if (fstatfs(fd, &fs) == 0 && fs.f_type == TSR_DEVPTS_MAGIC && fstat(fd, &st) == 0 &&
        st.st_ino == 2 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 2)) {
        master = open_again(c, fd, O_RDWR);
    } else {
        set_detail(c, "/dev/pts/ptmx is not a terminal multiplexer", NULL);
        master = refused(c, "open terminal", EXDEV);
    }
    close(fd);
    return master;
}

static int open_peer(struct init *c, int master, const struct tsr_args_console *a) {
    int unlock = 0;
    if (ioctl(master, TIOCSPTLCK, &unlock) != 0)
        return failed(c, "ioctl TIOCSPTLCK");
    /* by the master's fd and not by name: nothing in the container can stand in between */
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return failed(c, "ioctl TIOCGPTPEER");
    if (a->rows != 0 || a->columns != 0) {
        struct winsize size = {.ws_row = (unsigned short)a->rows,
                               .ws_col = (unsigned short)a->columns};
        ioctl(slave, TIOCSWINSZ, &size);
    }
    if (a->uid != 0 && fchown(slave, a->uid, (gid_t)-1) != 0) {
        int result = failed(c, "fchown");
        close(slave);
        return result;
    }
    return slave;
}

static int mount_console(struct init *c, int slave) {
    const char *name;
    int dev = open_parent(c, "/dev/console", 0755, &name);
    if (dev < 0)
        return dev;
    int made = openat(dev, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0620);
    int result = made < 0 && errno != EEXIST ? failed(c, "create /dev/console") : 0;
    if (made >= 0)
        close(made);
    int target = result < 0 ? -1 : openat(dev, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int tree = target < 0 ? -1 : sys_open_tree(slave, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
    if (result == 0 && (target < 0 || tree < 0))
        result = failed(c, "open_tree");
    if (result == 0 && sys_move_mount(tree, target) != 0)
        result = failed(c, "move_mount");
    if (tree >= 0)
        close(tree);
    if (target >= 0)
        close(target);
    close(dev);
    return result;
}

int op_console(struct init *c, const struct tsr_args_console *a) {
    char name[32];
    unsigned number = 0;
    int master = open_master(c);
    if (master < 0)
        return master;
    int slave = open_peer(c, master, a);
    int result = slave < 0 ? slave : 0;
    if (result == 0 && a->mount)
        result = mount_console(c, slave);
    ioctl(master, TIOCGPTN, &number);
    int length = snprintf(name, sizeof name, "/dev/pts/%u", number);
    if (result == 0 &&
        !send_message(c, MESSAGE_CONSOLE, 0, 0, name, (size_t)length, master))
        result = refused(c, "hand over terminal", EPIPE);
    close(master);
    for (int fd = 0; result == 0 && fd < 3; fd++) {
        if (dup2(slave, fd) < 0)
            result = failed(c, "dup2");
    }
    if (result == 0 && ioctl(0, TIOCSCTTY, 0) != 0)
        result = failed(c, "ioctl TIOCSCTTY");
    if (slave >= 3)
        close(slave);
    return result;
}
