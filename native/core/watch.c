/* cgroup notifications: eventfds of v1 (cgroup-v1/memory.rst section 9) and inotify for v2. */
#define _GNU_SOURCE
#include "watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "scoped_fd.h"

int tsr_watch_cgroup_event(const char *cgroup, const char *file, struct tsr_error *error)
{
    TSR_SCOPED_FD int directory = open(cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return tsr_fail(error, "open");
    TSR_SCOPED_FD int subject = openat(directory, file, O_RDONLY | O_CLOEXEC);
    if (subject < 0)
        return tsr_fail(error, "open");
    TSR_SCOPED_FD int control = openat(directory, "cgroup.event_control", O_WRONLY | O_CLOEXEC);
    if (control < 0)
        return tsr_fail(error, "open");
    TSR_SCOPED_FD int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event < 0)
        return tsr_fail(error, "eventfd");

    char line[32];
    int length = snprintf(line, sizeof line, "%d %d", event, subject);
    if (write(control, line, (size_t)length) != length)
        return tsr_fail(error, "write");
    return tsr_take_fd(&event);
}

int tsr_watch_file(const char *path, struct tsr_error *error)
{
    TSR_SCOPED_FD int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0)
        return tsr_fail(error, "inotify_init1");
    if (inotify_add_watch(fd, path, IN_MODIFY) < 0)
        return tsr_fail(error, "inotify_add_watch");
    return tsr_take_fd(&fd);
}
