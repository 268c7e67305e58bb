/* Window sizes and raw mode of terminals. */
#define _GNU_SOURCE
#include "terminal.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

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

int tsr_terminal_open_peer(int master, struct tsr_error *error)
{
    int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return peer < 0 ? tsr_fail(error, "ioctl") : peer;
}

int tsr_terminal_clear_onlcr(int fd, struct tsr_error *error)
{
    struct termios termios;
    if (tcgetattr(fd, &termios) != 0)
        return tsr_fail(error, "tcgetattr");
    termios.c_oflag &= ~(tcflag_t)ONLCR;
    if (tcsetattr(fd, TCSANOW, &termios) != 0)
        return tsr_fail(error, "tcsetattr");
    return 0;
}

int tsr_raw_mode_enter(struct tsr_raw_mode *mode, int fd, struct tsr_error *error)
{
    if (tcgetattr(fd, &mode->saved) != 0)
        return tsr_fail(error, "tcgetattr");
    mode->raw = mode->saved;
    cfmakeraw(&mode->raw);
    mode->raw.c_oflag = mode->saved.c_oflag | OPOST;
    while (tcsetattr(fd, TCSANOW, &mode->raw) != 0) {
        if (errno != EINTR)
            return tsr_fail(error, "tcsetattr");
    }
    mode->fd = fd;
    mode->active = true;
    return 0;
}

/*
 * Sets the attributes unless the terminal is ours and another job is in its foreground. With
 * SIGTTOU blocked the kernel lets the change pass where the job changes in between, instead of
 * stopping us. TCSANOW: waiting for output to drain would hang on a terminal that nobody reads.
 */
static void set_attributes(const struct tsr_raw_mode *mode, const struct termios *termios)
{
    pid_t foreground = tcgetpgrp(mode->fd);
    if (foreground >= 0 && foreground != getpgrp())
        return;
    sigset_t ttou;
    sigset_t old;
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &ttou, &old);
    tcsetattr(mode->fd, TCSANOW, termios);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void tsr_raw_mode_resume(const struct tsr_raw_mode *mode)
{
    if (mode->active)
        set_attributes(mode, &mode->raw);
}

void tsr_raw_mode_leave(const struct tsr_raw_mode *mode)
{
    if (mode->active)
        set_attributes(mode, &mode->saved);
}
