/* Window sizes and raw mode. */
#ifndef TSR_CORE_TERMINAL_H
#define TSR_CORE_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "error.h"

struct tsr_terminal_size {
    uint16_t rows;
    uint16_t columns;
};

int tsr_terminal_get_size(int fd, struct tsr_terminal_size *size, struct tsr_error *error);
int tsr_terminal_set_size(int fd, struct tsr_terminal_size size, struct tsr_error *error);

/*
 * Opens the slave of a master, whatever mount namespace its devpts is in (Linux 4.13). While it is
 * open, the master does not hang up. It does not become our controlling terminal.
 */
int tsr_terminal_open_peer(int master, struct tsr_error *error);

/*
 * Stops the line discipline from turning the container's \n into \r\n: the outer terminal does it.
 */
int tsr_terminal_clear_onlcr(int fd, struct tsr_error *error);

/* A terminal in raw mode and what it takes to leave it. Zero-initialised it is inactive. */
struct tsr_raw_mode {
    int fd;
    bool active;
    struct termios saved;
    struct termios raw;
};

/*
 * Enters raw mode, but keeps output processing as runc does. In the background this stops the
 * process with SIGTTOU, like any other job that wants the terminal; call it before catching
 * signals.
 */
int tsr_raw_mode_enter(struct tsr_raw_mode *mode, int fd, struct tsr_error *error);

/* Sets raw mode again after a stop, when the shell may have changed it. Not from the background. */
void tsr_raw_mode_resume(const struct tsr_raw_mode *mode);

/* Gives the terminal back as it was. Async-signal-safe. Leaves it alone when another job has it. */
void tsr_raw_mode_leave(const struct tsr_raw_mode *mode);

#endif
