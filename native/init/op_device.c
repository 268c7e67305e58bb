/* Operations that make directories, links and device nodes, always beneath a directory fd (CVE-2026-41579). */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "init.h"
#include "sys.h"

int op_make_directory(struct init *c, const struct tsr_args_make_directory *a) {
    int fd = open_in_root(c, a->path, O_PATH | O_DIRECTORY, false);
    if (fd == -ENOENT) {
        fd = make_directories(c, a->path, a->mode, false);
        if (fd >= 0 && fchownat(fd, "", a->uid, a->gid, AT_EMPTY_PATH) != 0) {
            close(fd);
            return failed(c, "fchownat");
        }
    }
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

int op_make_symlink(struct init *c, const struct tsr_args_make_symlink *a) {
    const char *name;
    char present[PATH_MAX];
    int parent = open_parent(c, a->path, 0755, &name);
    if (parent < 0)
        return parent;
    int result = 0;
    if (a->replace && unlinkat(parent, name, 0) != 0 && errno != ENOENT && errno != EISDIR)
        result = failed(c, "unlinkat");
    if (result == 0 && symlinkat(a->target, parent, name) != 0) {
        result = failed(c, "symlinkat");
        ssize_t length = readlinkat(parent, name, present, sizeof present - 1);
        if (result == -EEXIST && length >= 0) {
            present[length] = 0;
            if (strcmp(present, a->target) == 0)
                result = 0;
        }
    }
    close(parent);
    return result;
}

/* An existing node serves if it is the very device; its owner and mode are set through its fd. */
static int check_node(struct init *c, int fd, const struct tsr_args_make_device *a) {
    struct stat st;
    if (fstat(fd, &st) != 0)
        return failed(c, "fstat");
    bool same = (st.st_mode & S_IFMT) == (a->mode & S_IFMT);
    if (same && !S_ISFIFO(st.st_mode))
        same = st.st_rdev == (dev_t)a->device;
    if (!same) {
        set_detail(c, "another file is there already", NULL);
        return refused(c, "mknodat", EEXIST);
    }
    return 0;
}

static int dress_node(struct init *c, int fd, const struct tsr_args_make_device *a) {
    char self[32];
    if (fchownat(fd, "", a->uid, a->gid, AT_EMPTY_PATH) != 0)
        return failed(c, "fchownat");
    /* an O_PATH fd has no fchmod before kernel 6.6; the procfs link names the same inode */
    snprintf(self, sizeof self, "self/fd/%d", fd);
    return fchmodat(c->proc_fd, self, a->mode & 07777, 0) == 0 ? 0 : failed(c, "fchmodat");
}

/* The host's node in the place of one that we may not make, if it is the very device. */
static int bind_node(struct init *c, const struct tsr_args_make_device *a) {
    int tree = sys_open_tree(AT_FDCWD, a->path, OPEN_TREE_CLONE);
    if (tree < 0)
        return failed(c, "open_tree");
    int result = check_node(c, tree, a);
    int target = result == 0 ? make_file(c, a->path) : -1;
    if (result == 0 && target < 0)
        result = target;
    if (result == 0 && sys_move_mount(tree, target) != 0)
        result = failed(c, "move_mount");
    if (target >= 0)
        close(target);
    close(tree);
    return result;
}

int op_make_device(struct init *c, const struct tsr_args_make_device *a) {
    const char *name;
    int parent = open_parent(c, a->path, 0755, &name);
    if (parent < 0)
        return parent;
    int result = 0;
    bool made = mknodat(parent, name, (mode_t)a->mode, (dev_t)a->device) == 0;
    if (!made && errno == EPERM && a->or_bind) {
        close(parent);
        return bind_node(c, a);
    }
    if (!made && errno != EEXIST)
        result = failed(c, "mknodat");
    if (result == 0) {
        int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        result = fd < 0 ? failed(c, "open") : 0;
        /* a node of our own has its mode already (umask 0) and is root's; what is dressed is looked at first */
        bool dress = !made || a->uid != 0 || a->gid != 0;
        if (result == 0 && dress)
            result = check_node(c, fd, a);
        if (result == 0 && dress)
            result = dress_node(c, fd, a);
        if (fd >= 0)
            close(fd);
    }
    close(parent);
    return result;
}
