/* Sets loop devices up: LOOP_CONFIGURE (5.8), or the three older calls. */
#define _GNU_SOURCE
#include "loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "scoped_fd.h"

#define ATTEMPTS 100

static int free_device(char name[TSR_LOOP_NAME], struct tsr_error *error)
{
    TSR_SCOPED_FD int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0)
        return tsr_fail(error, "open /dev/loop-control");
    const int number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0)
        return tsr_fail(error, "LOOP_CTL_GET_FREE");
    snprintf(name, TSR_LOOP_NAME, "/dev/loop%d", number);
    return 0;
}

static int set_up_old(int device, int image, const struct loop_info64 *info,
                      struct tsr_error *error)
{
    if (ioctl(device, LOOP_SET_FD, image) != 0)
        return tsr_fail(error, "LOOP_SET_FD");
    struct loop_info64 settable = *info;
    settable.lo_flags &= LO_FLAGS_AUTOCLEAR;
    if (ioctl(device, LOOP_SET_STATUS64, &settable) != 0)
        tsr_fail(error, "LOOP_SET_STATUS64");
    else if ((info->lo_flags & LO_FLAGS_DIRECT_IO) == 0 ||
             ioctl(device, LOOP_SET_DIRECT_IO, 1UL) == 0)
        return 0;
    else
        tsr_fail(error, "LOOP_SET_DIRECT_IO");
    ioctl(device, LOOP_CLR_FD, 0);
    return -1;
}

static int set_up(int device, int image, const struct loop_info64 *info, struct tsr_error *error)
{
    struct loop_config config = {.fd = (uint32_t)image, .info = *info};
    if (ioctl(device, LOOP_CONFIGURE, &config) == 0)
        return 0;
    if (errno == EINVAL || errno == ENOTTY) /* older kernels know no such call; real EINVALs come back */
        return set_up_old(device, image, info, error);
    return tsr_fail(error, "LOOP_CONFIGURE");
}

int tsr_loop_device(const char *path, bool read_only, bool direct_io, char name[TSR_LOOP_NAME],
                    struct tsr_error *error)
{
    const int mode = read_only ? O_RDONLY : O_RDWR;
    TSR_SCOPED_FD int image = open(path, mode | O_CLOEXEC);
    if (image < 0)
        return tsr_fail(error, "open image");
    struct loop_info64 info = {.lo_flags = LO_FLAGS_AUTOCLEAR};
    info.lo_flags |= (read_only ? LO_FLAGS_READ_ONLY : 0) | (direct_io ? LO_FLAGS_DIRECT_IO : 0);
    strncpy((char *)info.lo_file_name, path, LO_NAME_SIZE - 1);

    for (useconds_t attempt = 1; attempt <= ATTEMPTS; attempt++) {
        if (free_device(name, error) != 0)
            return -1;
        TSR_SCOPED_FD int device = open(name, mode | O_CLOEXEC);
        if (device < 0)
            return tsr_fail(error, "open loop device");
        if (set_up(device, image, &info, error) == 0)
            return tsr_take_fd(&device);
        if (error->number != EBUSY)
            return -1;
        usleep(attempt * 500); /* another process was faster */
    }
    return -1;
}
