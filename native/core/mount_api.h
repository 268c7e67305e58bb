/* Mounting and unmounting below a directory, each on a thread of its own: a file system may take its time, or hang. */
#ifndef TSR_CORE_MOUNT_API_H
#define TSR_CORE_MOUNT_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum tsr_mount_kind {
    TSR_MOUNT_NEW,          /* a file system of its own */
    TSR_MOUNT_BIND,         /* one mount of the source */
    TSR_MOUNT_RBIND,        /* and what is mounted below the source */
    TSR_MOUNT_REMOUNT,      /* other options for the file system at the target */
    TSR_MOUNT_REMOUNT_BIND, /* other attributes for the mount at the target */
};

/* Lists end with NULL; strings may be empty but not NULL. Bits are MOUNT_ATTR_* of mount_setattr(2). */
struct tsr_mount_request {
    enum tsr_mount_kind kind;
    const char *root;   /* directory that the target is looked up beneath, symbolic links included */
    const char *target; /* empty: the root itself */
    const char *type;
    const char *source;
    char *const *options;     /* `key` or `key=value` for the file system, values without quotes */
    char *const *super_flags; /* names that every file system knows: sync, dirsync, lazytime, ... */
    char *const *layers;      /* overlay's lower directories, topmost first, nothing escaped */
    char *const *data_layers; /* overlay's data-only lower directories */
    uint64_t set, clear;             /* for this mount */
    uint64_t set_below, clear_below; /* for it and all below */
    const int *propagation;          /* MS_SHARED and relatives, with MS_REC, in order */
    size_t npropagation;
    const char *uid_map; /* lines of uid_map and gid_map for an id-mapped mount; both empty for none */
    const char *gid_map;
    bool loop;      /* the source is an image: through a loop device */
    bool direct_io; /* which bypasses the page cache for the image */
    bool classic;   /* as if the kernel had no fsopen(2) and relatives */
};

/* `detail` is what the kernel or we have to say besides the errno, possibly nothing. */
struct tsr_mount_failure {
    struct tsr_error error;
    char detail[1024];
};

/*
 * Mounts. For a thread of its own, with signals blocked, which ends afterwards: its working directory and mount
 * namespace may have changed. What a failed call has mounted is gone again.
 */
int tsr_mount(const struct tsr_mount_request *request, struct tsr_mount_failure *failure);

/*
 * Unmounts what is at `below`, a path inside `root` (empty: the root itself), once or until nothing is mounted there.
 * Symbolic links are not followed. Returns how many mounts are gone, 0 where none was; also for a thread of its own.
 */
int tsr_unmount(const char *root, const char *below, int flags, bool all,
                struct tsr_mount_failure *failure);

/* An O_PATH fd of the target beneath the root, close-on-exec. */
int tsr_open_beneath(const char *root, const char *target, struct tsr_error *error);

/* --- between the files of this subject ---------------------------------------------------------------------------- */

static inline int tsr_mount_failed(struct tsr_mount_failure *failure, const char *syscall_name)
{
    return tsr_fail(&failure->error, syscall_name);
}

/* The mount(2) way, for old kernels and for options fsconfig(2) has no room for. Attached at the target on success. */
int tsr_mount_classic(const struct tsr_mount_request *request, const char *source, int target,
                      struct tsr_mount_failure *failure);

/* Do its options fit into the page that mount(2) takes, layers by their own names? */
bool tsr_is_short(const struct tsr_mount_request *request);

/*
 * Puts id-mapped copies over the layers, in a mount namespace that only this thread is in; `home` becomes an fd of
 * the former one.
 */
int tsr_map_layers(const struct tsr_mount_request *request, int user, int *home,
                   struct tsr_mount_failure *failure);

/* Back to the mount namespace that tsr_map_layers has left. */
int tsr_leave_layers(int home, struct tsr_mount_failure *failure);

/* Adds what is behind the lower directories' options to a context of overlayfs. */
int tsr_configure_overlay(const struct tsr_mount_request *request, int context,
                          struct tsr_mount_failure *failure);

/* fsconfig(2) with the context's own words on a failure. */
int tsr_configure(int context, unsigned command, const char *key, const void *value, int aux,
                  struct tsr_mount_failure *failure);

#endif
