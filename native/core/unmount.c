/* Unmounting by name from within the directory of a mount point. */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "mount_api.h"
#include "mount_calls.h"
#include "scoped_fd.h"

/* Into the directory that holds the mount point: no way to it can be swapped for a link, and no fd keeps it busy. */
static int enter_parent(const char *root, const char *below, const char **name,
                        struct tsr_mount_failure *failure)
{
    TSR_SCOPED_FD int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return tsr_mount_failed(failure, "open");
    const char *slash = strrchr(below, '/');
    *name = slash == NULL ? below : slash + 1;
    char *parent = slash == NULL ? strdup(".") : strndup(below, (size_t)(slash - below));
    TSR_SCOPED_FD int fd = sys_openat2(dir, parent, O_PATH | O_DIRECTORY,
                                       RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
    if (fd < 0)
        tsr_mount_failed(failure, "openat2");
    free(parent);
    if (fd < 0)
        return -1;
    if (unshare(CLONE_FS) != 0)
        return tsr_mount_failed(failure, "unshare");
    return fchdir(fd) == 0 ? 0 : tsr_mount_failed(failure, "fchdir");
}

int tsr_unmount(const char *root, const char *below, int flags, bool all,
                struct tsr_mount_failure *failure)
{
    memset(failure, 0, sizeof *failure);
    const char *name = root;
    if (below[0] != 0 && enter_parent(root, below, &name, failure) != 0)
        return -1;
    int gone = 0;
    do {
        if (sys_umount2(name, flags | TSR_UMOUNT_NOFOLLOW) == 0)
            gone++;
        else
            return errno == EINVAL ? gone : tsr_mount_failed(failure, "umount2");
    } while (all);
    return gone;
}
