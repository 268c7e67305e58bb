/* Mounting by fds: a tree is made detached, gets its attributes, and is attached as the last step. */
#define _GNU_SOURCE
#include "mount_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop_device.h"
#include "mount_calls.h"
#include "scoped_fd.h"
#include "user_namespace.h"

/* fsconfig(2) takes strings of up to 255 bytes. */
#define MAX_VALUE 255

int tsr_open_beneath(const char *root, const char *target, struct tsr_error *error)
{
    TSR_SCOPED_FD int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return tsr_fail(error, "open");
    if (target[0] == 0)
        return tsr_take_fd(&dir);
    const int fd = sys_openat2(dir, target, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    return fd < 0 ? tsr_fail(error, "openat2") : fd;
}

/* The kernel's own words on what it refused, a line a read(2), each behind its level: `e overlay: ...`. */
static void read_log(int context, struct tsr_mount_failure *failure)
{
    size_t used = 0;
    for (;;) {
        char line[512];
        ssize_t length = read(context, line, sizeof line - 1);
        if (length <= 2)
            return;
        if (line[length - 1] == '\n')
            length--;
        line[length] = 0;
        const int added = snprintf(failure->detail + used, sizeof failure->detail - used, "%s%s",
                                   used == 0 ? "" : "; ", line + 2);
        used += (size_t)added;
        if (used >= sizeof failure->detail)
            return;
    }
}

int tsr_configure(int context, unsigned command, const char *key, const void *value, int aux,
                  struct tsr_mount_failure *failure)
{
    if (syscall(SYS_fsconfig, context, command, key, value, aux) == 0)
        return 0;
    tsr_mount_failed(failure, "fsconfig");
    read_log(context, failure);
    if (failure->detail[0] != 0 || key == NULL)
        return -1;
    snprintf(failure->detail, sizeof failure->detail, "option %s%s%s", key,
             command == FSCONFIG_SET_STRING ? "=" : "",
             command == FSCONFIG_SET_STRING ? (const char *)value : "");
    return -1;
}

static int set_option(int context, const char *option, struct tsr_mount_failure *failure)
{
    char key[MAX_VALUE + 1];
    const char *equals = strchr(option, '=');
    if (equals == NULL)
        return tsr_configure(context, FSCONFIG_SET_FLAG, option, NULL, 0, failure);
    snprintf(key, sizeof key, "%.*s", (int)(equals - option), option);
    return tsr_configure(context, FSCONFIG_SET_STRING, key, equals + 1, 0, failure);
}

static bool is_overlay(const struct tsr_mount_request *request)
{
    return request->kind == TSR_MOUNT_NEW && strcmp(request->type, "overlay") == 0;
}

/* Overlay's directories have a way of their own. */
static bool is_directory_option(const struct tsr_mount_request *request, const char *option)
{
    return is_overlay(request) &&
           (strncmp(option, "upperdir=", 9) == 0 || strncmp(option, "workdir=", 8) == 0);
}

static bool fits_fsconfig(const struct tsr_mount_request *request, const char *source)
{
    if (strlen(source) > MAX_VALUE)
        return false;
    for (char *const *option = request->options; *option != NULL; option++) {
        const char *equals = strchr(*option, '=');
        const size_t value = equals == NULL ? 0 : strlen(equals + 1);
        if (strlen(*option) - value > MAX_VALUE ||
            (value > MAX_VALUE && !is_directory_option(request, *option)))
            return false;
    }
    return true;
}

static int configure_all(const struct tsr_mount_request *request, const char *source, int context,
                         struct tsr_mount_failure *failure)
{
    if (source[0] != 0 &&
        tsr_configure(context, FSCONFIG_SET_STRING, "source", source, 0, failure) != 0)
        return -1;
    /* As mount(2) has it: a device that cannot be written is only mounted when the superblock knows. */
    if ((request->set & MOUNT_ATTR_RDONLY) != 0 &&
        tsr_configure(context, FSCONFIG_SET_FLAG, "ro", NULL, 0, failure) != 0)
        return -1;
    for (char *const *flag = request->super_flags; *flag != NULL; flag++) {
        if (tsr_configure(context, FSCONFIG_SET_FLAG, *flag, NULL, 0, failure) != 0)
            return -1;
    }
    if (is_overlay(request) && tsr_configure_overlay(request, context, failure) != 0)
        return -1;
    for (char *const *option = request->options; *option != NULL; option++) {
        if (!is_directory_option(request, *option) && set_option(context, *option, failure) != 0)
            return -1;
    }
    return tsr_configure(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0, failure);
}

static int new_tree(const struct tsr_mount_request *request, const char *source,
                    struct tsr_mount_failure *failure)
{
    TSR_SCOPED_FD int context = sys_fsopen(request->type);
    if (context < 0)
        return tsr_mount_failed(failure, "fsopen");
    if (configure_all(request, source, context, failure) != 0)
        return -1;
    const int tree = sys_fsmount(context, (unsigned)request->set);
    if (tree < 0) {
        tsr_mount_failed(failure, "fsmount");
        read_log(context, failure);
    }
    return tree;
}

static int bound_tree(const struct tsr_mount_request *request, struct tsr_mount_failure *failure)
{
    const unsigned below = request->kind == TSR_MOUNT_RBIND ? AT_RECURSIVE : 0;
    const int tree = sys_open_tree(AT_FDCWD, request->source, OPEN_TREE_CLONE | below);
    return tree < 0 ? tsr_mount_failed(failure, "open_tree") : tree;
}

static int set_attributes(int tree, uint64_t set, uint64_t clear, unsigned recursive,
                          struct tsr_mount_failure *failure)
{
    struct mount_attr attr = {.attr_set = set, .attr_clr = clear};
    if ((set | clear) == 0 || sys_mount_setattr(tree, recursive, &attr) == 0)
        return 0;
    return tsr_mount_failed(failure, "mount_setattr");
}

static int set_propagation(int tree, const struct tsr_mount_request *request,
                           struct tsr_mount_failure *failure)
{
    for (size_t index = 0; index < request->npropagation; index++) {
        const int flags = request->propagation[index];
        struct mount_attr attr = {.propagation = (uint64_t)(flags & ~MS_REC)};
        if (sys_mount_setattr(tree, (flags & MS_REC) != 0 ? AT_RECURSIVE : 0, &attr) != 0)
            return tsr_mount_failed(failure, "mount_setattr");
    }
    return 0;
}

/* What a tree becomes besides what it was made with. Only attributes asked for are touched: inherited ones may be locked. */
static int settle(const struct tsr_mount_request *request, int tree, int user,
                  struct tsr_mount_failure *failure)
{
    if (request->kind != TSR_MOUNT_NEW &&
        set_attributes(tree, request->set, request->clear, 0, failure) != 0)
        return -1;
    if (set_attributes(tree, request->set_below, request->clear_below, AT_RECURSIVE, failure) != 0)
        return -1;
    if (user >= 0 && !is_overlay(request)) {
        struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user};
        if (sys_mount_setattr(tree, 0, &attr) != 0) {
            snprintf(failure->detail, sizeof failure->detail, "id-mapping");
            return tsr_mount_failed(failure, "mount_setattr");
        }
    }
    return set_propagation(tree, request, failure);
}

static int attach(const struct tsr_mount_request *request, int tree, int target, int user,
                  struct tsr_mount_failure *failure)
{
    if (settle(request, tree, user, failure) != 0)
        return -1;
    return sys_move_mount(tree, target) == 0 ? 0 : tsr_mount_failed(failure, "move_mount");
}

/* A detached tree by way of mount(2), which can only mount in place: on the target, taken off again. */
static int classic_tree(const struct tsr_mount_request *request, const char *source,
                        struct tsr_mount_failure *failure)
{
    TSR_SCOPED_FD int target = tsr_open_beneath(request->root, request->target, &failure->error);
    if (target < 0 || tsr_mount_classic(request, source, target, failure) != 0)
        return -1;
    TSR_SCOPED_FD int mounted = tsr_open_beneath(request->root, request->target, &failure->error);
    if (mounted < 0)
        return -1;
    TSR_SCOPED_FD int tree = sys_open_tree(mounted, "",
                                           AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE);
    if (tree < 0)
        tsr_mount_failed(failure, "open_tree");
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", mounted);
    sys_umount2(path, TSR_MNT_DETACH);
    return tsr_take_fd(&tree);
}

/*
 * Is it worth to ask again with mount(2)? Old kernels and filters of system calls say ENOSYS or EPERM; overlayfs
 * before 6.7 knows no `lowerdir+` and says EINVAL.
 */
static bool worth_classic(const struct tsr_mount_request *request,
                          const struct tsr_mount_failure *failure)
{
    const int number = failure->error.number;
    return number == ENOSYS || number == EPERM || (number == EINVAL && is_overlay(request));
}

/* Does the new way's failure say more than one of mount(2)? Not when the kernel just has no word for a layer. */
static bool worth_words(const struct tsr_mount_failure *failure)
{
    return failure->detail[0] != 0 && strstr(failure->detail, "'lowerdir+'") == NULL;
}

/* Runs `classic`, and goes back to the first failure where the second says less. */
static int fall_back(int (*classic)(const struct tsr_mount_request *, const char *,
                                    struct tsr_mount_failure *),
                     const struct tsr_mount_request *request, const char *source,
                     struct tsr_mount_failure *failure)
{
    const struct tsr_mount_failure first = *failure;
    memset(failure, 0, sizeof *failure);
    const int result = classic(request, source, failure);
    if (result < 0 && failure->detail[0] == 0 && worth_words(&first))
        *failure = first;
    return result;
}

static int make_tree(const struct tsr_mount_request *request, const char *source,
                     struct tsr_mount_failure *failure)
{
    if (request->classic || !fits_fsconfig(request, source))
        return classic_tree(request, source, failure);
    const int tree = request->kind == TSR_MOUNT_NEW ? new_tree(request, source, failure)
                                                    : bound_tree(request, failure);
    if (tree >= 0 || !worth_classic(request, failure))
        return tree;
    return fall_back(classic_tree, request, source, failure);
}

/* Overlayfs takes the mapping from its layers, so they are what is mapped. */
static int mount_mapped_overlay(const struct tsr_mount_request *request, int target, int user,
                                struct tsr_mount_failure *failure)
{
    TSR_SCOPED_FD int home = -1;
    if (tsr_map_layers(request, user, &home, failure) != 0)
        return -1;
    TSR_SCOPED_FD int tree = make_tree(request, request->source, failure);
    if (tree < 0 || tsr_leave_layers(home, failure) != 0)
        return -1;
    return attach(request, tree, target, user, failure);
}

static int mount_in_place(const struct tsr_mount_request *request, const char *source,
                          struct tsr_mount_failure *failure)
{
    TSR_SCOPED_FD int target = tsr_open_beneath(request->root, request->target, &failure->error);
    return target < 0 ? -1 : tsr_mount_classic(request, source, target, failure);
}

/* By the new calls, which old kernels and filters lack. */
static int mount_by_fd(const struct tsr_mount_request *request, const char *source, int target,
                       int user, bool in_place, struct tsr_mount_failure *failure)
{
    TSR_SCOPED_FD int tree = request->kind == TSR_MOUNT_NEW ? new_tree(request, source, failure)
                                                            : bound_tree(request, failure);
    if (tree < 0 && worth_classic(request, failure)) {
        if (in_place)
            return fall_back(mount_in_place, request, source, failure);
        tree = fall_back(classic_tree, request, source, failure);
    }
    return tree < 0 ? -1 : attach(request, tree, target, user, failure);
}

/*
 * As mount(2) has made it, /proc/self/mountinfo lists an overlay's layers in one `lowerdir=`, which is what tools look
 * for; where it fails, a context finds better words.
 */
static int mount_overlay(const struct tsr_mount_request *request, const char *source, int target,
                         struct tsr_mount_failure *failure)
{
    if (tsr_mount_classic(request, source, target, failure) == 0)
        return 0;
    const struct tsr_mount_failure first = *failure;
    memset(failure, 0, sizeof *failure);
    TSR_SCOPED_FD int tree = new_tree(request, source, failure);
    if (tree >= 0)
        return attach(request, tree, target, -1, failure);
    if (!worth_words(failure))
        *failure = first;
    return -1;
}

static int mount_source(const struct tsr_mount_request *request, const char *source, int target,
                        int user, struct tsr_mount_failure *failure)
{
    const bool in_place = user < 0 && (request->set_below | request->clear_below) == 0;
    if (request->classic || !fits_fsconfig(request, source)) {
        if (in_place)
            return tsr_mount_classic(request, source, target, failure);
        TSR_SCOPED_FD int tree = classic_tree(request, source, failure);
        return tree < 0 ? -1 : attach(request, tree, target, user, failure);
    }
    if (in_place && is_overlay(request) && tsr_is_short(request))
        return mount_overlay(request, source, target, failure);
    return mount_by_fd(request, source, target, user, in_place, failure);
}

static int remount(const struct tsr_mount_request *request, int target,
                   struct tsr_mount_failure *failure)
{
    if (request->kind == TSR_MOUNT_REMOUNT &&
        tsr_mount_classic(request, request->source, target, failure) != 0)
        return -1;
    return request->kind == TSR_MOUNT_REMOUNT_BIND ? settle(request, target, -1, failure)
                                                   : set_propagation(target, request, failure);
}

int tsr_mount(const struct tsr_mount_request *request, struct tsr_mount_failure *failure)
{
    memset(failure, 0, sizeof *failure);
    TSR_SCOPED_FD int target = tsr_open_beneath(request->root, request->target, &failure->error);
    if (target < 0) {
        snprintf(failure->detail, sizeof failure->detail, "target");
        return -1;
    }
    if (request->kind == TSR_MOUNT_REMOUNT || request->kind == TSR_MOUNT_REMOUNT_BIND)
        return remount(request, target, failure);

    TSR_SCOPED_FD int user = -1;
    if (request->uid_map[0] != 0) {
        user = tsr_user_namespace(request->uid_map, request->gid_map, &failure->error);
        if (user < 0)
            return -1;
        if (is_overlay(request))
            return mount_mapped_overlay(request, target, user, failure);
    }
    if (!request->loop)
        return mount_source(request, request->source, target, user, failure);

    char device[TSR_LOOP_NAME];
    const bool read_only = (request->set & MOUNT_ATTR_RDONLY) != 0;
    TSR_SCOPED_FD int loop = tsr_loop_device(request->source, read_only, request->direct_io, device,
                                             &failure->error);
    return loop < 0 ? -1 : mount_source(request, device, target, user, failure);
}
