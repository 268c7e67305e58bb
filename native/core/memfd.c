/*
 * Sealed memfds: the init program that a container cannot overwrite (CVE-2019-5736), and its plans.
 */
#define _GNU_SOURCE
#include "memfd.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scoped_fd.h"

/* linux/memfd.h of 6.3; older kernels answer EINVAL and mean MFD_EXEC. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static int create(const char *name, unsigned int exec_flag)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | exec_flag);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd;
}

static int seal(int fd)
{
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
}

int tsr_memfd_copy(const char *path, struct tsr_error *error)
{
    TSR_SCOPED_FD int source = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (source < 0)
        return tsr_fail(error, "open");
    struct stat info;
    if (fstat(source, &info) != 0)
        return tsr_fail(error, "fstat");
    if (!S_ISREG(info.st_mode))
        return tsr_fail_with(error, EINVAL, "open");

    TSR_SCOPED_FD int copy = create("tsrunc-init", MFD_EXEC);
    if (copy < 0)
        return tsr_fail(error, "memfd_create");
    for (off_t left = info.st_size; left > 0;) {
        ssize_t moved = sendfile(copy, source, NULL, (size_t)left);
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved < 0)
            return tsr_fail(error, "sendfile");
        if (moved == 0) /* truncated under our hands */
            return tsr_fail_with(error, EIO, "sendfile");
        left -= moved;
    }
    if (seal(copy) != 0)
        return tsr_fail(error, "fcntl");
    return tsr_take_fd(&copy);
}

int tsr_memfd_from_bytes(const char *name, const void *data, size_t size, struct tsr_error *error)
{
    TSR_SCOPED_FD int fd = create(name, MFD_NOEXEC_SEAL);
    if (fd < 0)
        return tsr_fail(error, "memfd_create");
    const uint8_t *bytes = data;
    for (size_t done = 0; done < size;) {
        ssize_t written = pwrite(fd, bytes + done, size - done, (off_t)done);
        if (written < 0 && errno != EINTR)
            return tsr_fail(error, "pwrite");
        if (written > 0)
            done += (size_t)written;
    }
    if (seal(fd) != 0)
        return tsr_fail(error, "fcntl");
    return tsr_take_fd(&fd);
}
