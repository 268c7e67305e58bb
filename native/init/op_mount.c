/* Operations on mounts. Trees are made detached and attached by fd; no target is looked up twice. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "init.h"
#include "layers.h"
#include "sys.h"

static void raise_open_files(struct init *c) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max)
        return;
    rlim_t soft = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        c->open_files = soft;
}

void restore_open_files(const struct init *c) {
    struct rlimit limit;
    if (c->open_files == 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = c->open_files;
    setrlimit(RLIMIT_NOFILE, &limit); /* lowering it cannot be refused */
}

int keep_slot(struct init *c, uint32_t slot, int fd) {
    if (slot >= INIT_SLOTS || c->slots[slot] >= 0) {
        close(fd);
        return refused(c, "slot", EBADF);
    }
    c->slots[slot] = fd;
    if (!c->has_slots)
        raise_open_files(c);
    c->has_slots = true;
    return 0;
}

int slot_fd(struct init *c, uint32_t slot) {
    return slot < INIT_SLOTS && c->slots[slot] >= 0 ? c->slots[slot] : refused(c, "slot", EBADF);
}

static void drop_slot(struct init *c, uint32_t slot) {
    close(c->slots[slot]);
    c->slots[slot] = -1;
}

void end_slots(struct init *c) {
    for (uint32_t slot = 0; slot < INIT_SLOTS; slot++) {
        if (c->slots[slot] >= 0)
            drop_slot(c, slot);
    }
    restore_open_files(c);
    c->open_files = 0;
}

int op_open_tree(struct init *c, const struct tsr_args_open_tree *a) {
    int fd = sys_open_tree(AT_FDCWD, a->path,
                           OPEN_TREE_CLONE | (a->recursive ? AT_RECURSIVE : 0));
    return fd < 0 ? failed(c, "open_tree") : keep_slot(c, a->slot, fd);
}

/* The file system's own words on why it refused, from its context's log (fsopen(2)). */
static void read_log(struct init *c, int context) {
    char line[sizeof c->detail];
    ssize_t length = read(context, line, sizeof line - 1);
    if (length <= 2)
        return;
    line[length] = 0;
    if (line[length - 1] == '\n')
        line[length - 1] = 0;
    set_detail(c, line + 2, NULL); /* behind the level, `e ` or `w ` */
}

int configure(struct init *c, int context, unsigned command, const char *key,
              const char *value) {
    if (syscall(SYS_fsconfig, context, command, key, value, 0) == 0)
        return 0;
    int result = failed(c, "fsconfig");
    read_log(c, context);
    return result;
}

int set_option(struct init *c, int context, const char *option) {
    char key[256];
    const char *equals = strchr(option, '=');
    if (equals == NULL)
        return configure(c, context, FSCONFIG_SET_FLAG, option, NULL);
    size_t length = (size_t)(equals - option);
    if (length >= sizeof key)
        return refused(c, "fsconfig", ENAMETOOLONG);
    memcpy(key, option, length);
    key[length] = 0;
    return configure(c, context, FSCONFIG_SET_STRING, key, equals + 1);
}

static int make_file_system(struct init *c, int context, const struct tsr_args_open_detached *a) {
    int result = 0;
    struct layers layers = {.context = context};
    bool is_overlay = strcmp(a->fstype, "overlay") == 0;
    if (a->source[0] != 0)
        result = configure(c, context, FSCONFIG_SET_STRING, "source", a->source);
    for (uint32_t i = 0; result == 0 && i < a->options.count; i++) {
        const char *option = plan_string(&c->plan, a->options, i);
        result = is_overlay && is_long_layer_option(option) ? set_layers(c, &layers, option)
                                                            : set_option(c, context, option);
        if (result < 0 && c->detail[0] == 0)
            set_detail(c, "option ", option);
    }
    if (result == 0)
        result = configure(c, context, FSCONFIG_CMD_CREATE, NULL, NULL);
    close_layers(&layers);
    return result;
}

int op_open_detached(struct init *c, const struct tsr_args_open_detached *a) {
    int context = (int)syscall(SYS_fsopen, a->fstype, FSOPEN_CLOEXEC);
    if (context < 0)
        return failed(c, "fsopen");
    int result = make_file_system(c, context, a);
    if (result == 0) {
        int fd = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, (unsigned)a->attributes);
        result = fd < 0 ? failed(c, "fsmount") : keep_slot(c, a->slot, fd);
    }
    close(context);
    return result;
}

int op_set_mount_attributes(struct init *c, const struct tsr_args_set_mount_attributes *a) {
    struct mount_attr attr = {
        .attr_set = a->set, .attr_clr = a->clear, .propagation = a->propagation};
    int fd = slot_fd(c, a->slot);
    if (fd < 0)
        return fd;
    return sys_mount_setattr(fd, a->recursive ? AT_RECURSIVE : 0, &attr) == 0
               ? 0
               : failed(c, "mount_setattr");
}

/* A new tmpfs hides a directory: it takes over that one's mode, /tmp stays 1777. */
static int take_over_mode(struct init *c, int tree, int target) {
    struct stat covered;
    if (fstat(target, &covered) != 0)
        return failed(c, "fstat");
    int dir = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return failed(c, "open");
    int result = fchmod(dir, covered.st_mode & 07777) == 0 ? 0 : failed(c, "fchmod");
    close(dir);
    return result;
}

/* A mode that the config gives is not that of the covered directory. */
static int copy_up(struct init *c, int tree, int target, bool keep_mode) {
    struct stat own;
    int from = openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int to = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = from < 0 || to < 0 || fstat(to, &own) != 0 ? failed(c, "open")
                                                            : copy_tree(c, from, to);
    if (result == 0 && keep_mode && fchmod(to, own.st_mode & 07777) != 0)
        result = failed(c, "fchmod");
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return result;
}

/*
 * A link in the image must not lead a mount over files of a procfs that programs and LSM tools trust
 * (CVE-2019-16884, CVE-2023-27561); the plan allows targets in /proc by their names only.
 */
static int check_procfs(struct init *c, int target, const char *path) {
    struct statfs fs;
    if (fstatfs(target, &fs) != 0)
        return failed(c, "fstatfs");
    if (fs.f_type != TSR_PROC_MAGIC)
        return 0;
    int same = open_in_root(c, path, O_PATH, true);
    if (same >= 0)
        close(same);
    return same < 0 ? same : 0;
}

int op_attach(struct init *c, const struct tsr_args_attach *a) {
    struct stat st;
    int tree = slot_fd(c, a->slot);
    if (tree < 0)
        return tree;
    if (fstat(tree, &st) != 0)
        return failed(c, "fstat");
    int target = S_ISDIR(st.st_mode) ? make_directories(c, a->target, a->mode, a->strict != 0)
                                     : make_file(c, a->target);
    if (target < 0)
        return target;
    int result = check_procfs(c, target, a->target);
    if (result == 0 && a->covered_mode)
        result = take_over_mode(c, tree, target);
    if (result == 0 && a->copy_up)
        result = copy_up(c, tree, target, a->covered_mode == 0);
    if (result == 0 && sys_move_mount(tree, target) != 0)
        result = failed(c, "move_mount");
    close(target);
    return result;
}

/* /dev/null of the host, checked to be the device, so that no image can put another file behind masks. */
static int null_device(struct init *c) {
    struct stat st;
    if (c->null_fd >= 0)
        return c->null_fd;
    int fd = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return failed(c, "open /dev/null");
    if (fstat(fd, &st) != 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) {
        close(fd);
        return refused(c, "/dev/null is not the null device", EXDEV);
    }
    return c->null_fd = fd;
}

/* A tree to cover directories with: one empty read-only tmpfs for all of them. */
static int empty_directory(struct init *c) {
    if (c->empty_fd >= 0) {
        int fd = sys_open_tree(c->empty_fd, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
        return fd < 0 ? failed(c, "open_tree") : fd;
    }
    int context = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (context < 0)
        return failed(c, "fsopen");
    int fd = configure(c, context, FSCONFIG_SET_STRING, "nr_blocks", "1");
    if (fd == 0)
        fd = configure(c, context, FSCONFIG_SET_STRING, "nr_inodes", "1");
    if (fd == 0)
        fd = configure(c, context, FSCONFIG_CMD_CREATE, NULL, NULL);
    if (fd == 0) {
        fd = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC,
                          MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                              MOUNT_ATTR_NOEXEC);
        if (fd < 0)
            fd = failed(c, "fsmount");
    }
    close(context);
    return fd;
}

int op_mask_path(struct init *c, const struct tsr_args_mask_path *a) {
    struct stat st;
    int target = open_in_root(c, a->path, O_PATH, false);
    if (target == -ENOENT || target == -ENOTDIR)
        return 0;
    if (target < 0)
        return target;
    int result = fstat(target, &st) == 0 ? 0 : failed(c, "fstat");
    bool is_dir = S_ISDIR(st.st_mode);
    int tree = -1;
    if (result == 0) {
        int null_fd = is_dir ? 0 : null_device(c);
        if (is_dir)
            tree = empty_directory(c);
        else if (null_fd >= 0)
            tree = sys_open_tree(null_fd, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
        result = null_fd < 0 ? null_fd : tree < 0 ? (is_dir ? tree : failed(c, "open_tree")) : 0;
    }
    if (result == 0 && sys_move_mount(tree, target) != 0)
        result = failed(c, "move_mount");
    if (result == 0 && is_dir && c->empty_fd < 0)
        c->empty_fd = tree;
    else if (tree >= 0)
        close(tree);
    close(target);
    return result;
}

int op_readonly_path(struct init *c, const struct tsr_args_readonly_path *a) {
    int target = open_in_root(c, a->path, O_PATH, false);
    if (target == -ENOENT || target == -ENOTDIR)
        return 0;
    if (target < 0)
        return target;
    int result = 0;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    int tree = sys_open_tree(target, "", OPEN_TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH);
    if (tree < 0)
        result = failed(c, "open_tree");
    else if (sys_mount_setattr(tree, AT_RECURSIVE, &attr) != 0)
        result = failed(c, "mount_setattr");
    else if (sys_move_mount(tree, target) != 0)
        result = failed(c, "move_mount");
    if (tree >= 0)
        close(tree);
    close(target);
    return result;
}

int op_attach_device(struct init *c, const struct tsr_args_attach_device *a) {
    int tree = slot_fd(c, a->slot);
    if (tree < 0)
        return tree;
    int target = make_file(c, a->path);
    if (target < 0)
        return target;
    int result = sys_move_mount(tree, target) == 0 ? 0 : failed(c, "move_mount");
    close(target);
    drop_slot(c, a->slot);
    return result;
}
