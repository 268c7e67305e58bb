/* TIOCGWINSZ and TIOCSWINSZ. */
#define _GNU_SOURCE
#include "terminal.h"

#include <sys/ioctl.h>

int tsr_terminal_get_size(int fd, struct tsr_terminal_size *size, struct tsr_error *error)
{
    struct winsize window;
    if (ioctl(fd, TIOCGWINSZ, &window) != 0)
        return tsr_fail(error, "ioctl");
    size->rows = window.ws_row;
    size->columns = window.ws_col;
    return 0;
}

int tsr_terminal_set_size(int fd, struct tsr_terminal_size size, struct tsr_error *error)
{
    const struct winsize window = {.ws_row = size.rows, .ws_col = size.columns};
    if (ioctl(fd, TIOCSWINSZ, &window) != 0)
        return tsr_fail(error, "ioctl");
    return 0;
}
