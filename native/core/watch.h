/* Fds that become readable when the kernel has news about a cgroup. */
#ifndef TSR_CORE_WATCH_H
#define TSR_CORE_WATCH_H

#include "error.h"

/*
 * An eventfd registered on a cgroup v1 event file such as memory.oom_control; non-blocking,
 * close-on-exec.
 */
int tsr_watch_cgroup_event(const char *cgroup, const char *file, struct tsr_error *error);

/*
 * An inotify fd with an IN_MODIFY watch on the file (cgroup v2 *.events); non-blocking,
 * close-on-exec.
 */
int tsr_watch_file(const char *path, struct tsr_error *error);

#endif
