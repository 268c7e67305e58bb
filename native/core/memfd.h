/* Anonymous files that nobody can change any more. */
#ifndef TSR_CORE_MEMFD_H
#define TSR_CORE_MEMFD_H

#include <stddef.h>

#include "error.h"

/* An executable, sealed copy of a regular file, close-on-exec; the caller closes it. */
int tsr_memfd_copy(const char *path, struct tsr_error *error);

/* A sealed memfd with these bytes, not executable, read offset 0, close-on-exec. */
int tsr_memfd_from_bytes(const char *name, const void *data, size_t size, struct tsr_error *error);

#endif
