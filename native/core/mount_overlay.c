/* Overlayfs' lower directories: any number, of any length, id-mapped where asked for. */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "mount_api.h"
#include "mount_calls.h"
#include "scoped_fd.h"

#define MAX_VALUE 255

static void copy_unescaped(char *to, size_t size, const char *from)
{
    size_t used = 0;
    for (; *from != 0 && used + 1 < size; from++) {
        if (*from == '\\' && from[1] != 0)
            from++;
        to[used++] = *from;
    }
    to[used] = 0;
}

/*
 * Names a directory: by its path, which mountinfo then shows, or where fsconfig(2) has no room for that by an fd
 * (6.13), or by the name of an fd.
 */
static int add_directory(int context, const char *key, const char *path, const char *plain,
                         struct tsr_mount_failure *failure)
{
    if (strlen(path) <= MAX_VALUE)
        return tsr_configure(context, FSCONFIG_SET_STRING, key, path, 0, failure);
    TSR_SCOPED_FD int fd = open(plain, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        snprintf(failure->detail, sizeof failure->detail, "%s %s", key, plain);
        return tsr_mount_failed(failure, "open");
    }
    if (syscall(SYS_fsconfig, context, FSCONFIG_SET_FD, key, NULL, fd) == 0)
        return 0;
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    return tsr_configure(context, FSCONFIG_SET_STRING, key, name, 0, failure);
}

int tsr_configure_overlay(const struct tsr_mount_request *request, int context,
                          struct tsr_mount_failure *failure)
{
    for (char *const *layer = request->layers; *layer != NULL; layer++) {
        if (add_directory(context, "lowerdir+", *layer, *layer, failure) != 0)
            return -1;
    }
    for (char *const *layer = request->data_layers; *layer != NULL; layer++) {
        if (add_directory(context, "datadir+", *layer, *layer, failure) != 0)
            return -1;
    }
    for (char *const *option = request->options; *option != NULL; option++) {
        const bool upper = strncmp(*option, "upperdir=", 9) == 0;
        if (!upper && strncmp(*option, "workdir=", 8) != 0)
            continue;
        const char *path = strchr(*option, '=') + 1;
        char plain[4096];
        copy_unescaped(plain, sizeof plain, path);
        if (add_directory(context, upper ? "upperdir" : "workdir", path, plain, failure) != 0)
            return -1;
    }
    return 0;
}

static int map_layer(const char *path, int user, struct tsr_mount_failure *failure)
{
    TSR_SCOPED_FD int place = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (place < 0)
        return tsr_mount_failed(failure, "open");
    TSR_SCOPED_FD int tree = sys_open_tree(place, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
    if (tree < 0)
        return tsr_mount_failed(failure, "open_tree");
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user};
    if (sys_mount_setattr(tree, 0, &attr) != 0)
        return tsr_mount_failed(failure, "mount_setattr");
    return sys_move_mount(tree, place) == 0 ? 0 : tsr_mount_failed(failure, "move_mount");
}

/*
 * Overlayfs before 6.15 takes layers only from mounts that are attached. They are, over the layers themselves, so the
 * options stay as they are; in a namespace that ends with this thread, so nothing can be left behind.
 */
int tsr_map_layers(const struct tsr_mount_request *request, int user, int *home,
                   struct tsr_mount_failure *failure)
{
    *home = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (*home < 0)
        return tsr_mount_failed(failure, "open mount namespace");
    if (unshare(CLONE_NEWNS) != 0)
        return tsr_mount_failed(failure, "unshare");
    if (sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return tsr_mount_failed(failure, "mount");
    for (char *const *layer = request->layers; *layer != NULL; layer++) {
        if (map_layer(*layer, user, failure) == 0)
            continue;
        snprintf(failure->detail, sizeof failure->detail, "id-mapping of layer %s", *layer);
        return -1;
    }
    return 0;
}

int tsr_leave_layers(int home, struct tsr_mount_failure *failure)
{
    return setns(home, CLONE_NEWNS) == 0 ? 0 : tsr_mount_failed(failure, "setns");
}
