/* Window sizes. */
#ifndef TSR_CORE_TERMINAL_H
#define TSR_CORE_TERMINAL_H

#include <stdint.h>

#include "error.h"

struct tsr_terminal_size {
    uint16_t rows;
    uint16_t columns;
};

int tsr_terminal_get_size(int fd, struct tsr_terminal_size *size, struct tsr_error *error);
int tsr_terminal_set_size(int fd, struct tsr_terminal_size size, struct tsr_error *error);

#endif
