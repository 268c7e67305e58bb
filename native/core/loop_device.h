/* Loop devices for images that are mounted. */
#ifndef TSR_CORE_LOOP_DEVICE_H
#define TSR_CORE_LOOP_DEVICE_H

#include <stdbool.h>

#include "error.h"

#define TSR_LOOP_NAME 32

/*
 * Attaches a file to a free loop device; returns the device's fd, close-on-exec, and its path in `name`. The device
 * frees itself with its last user: close the fd once it is mounted. Sleeps while others take the free device first.
 */
int tsr_loop_device(const char *image, bool read_only, bool direct_io, char name[TSR_LOOP_NAME],
                    struct tsr_error *error);

#endif
