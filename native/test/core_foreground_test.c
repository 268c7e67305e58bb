/*
 * The foreground loop between two real terminals: bytes, sizes, signals, and a terminal that is
 * always given back.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "../core/foreground.h"
#include "../core/signal_relay.h"
#include "../core/spawn.h"
#include "../core/terminal.h"
#include "check.h"

struct terminal {
    int master, slave;
};

/* The process under test, on a terminal of its own. */
struct session {
    pid_t pid;
    struct terminal outer;
    struct termios before;
};

static struct terminal open_terminal(void)
{
    struct terminal terminal;
    terminal.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(terminal.master >= 0 && grantpt(terminal.master) == 0 && unlockpt(terminal.master) == 0);
    terminal.slave = open(ptsname(terminal.master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(terminal.slave >= 0);
    return terminal;
}

/* Plays the runtime: a shell on an inner terminal, supervised by tsr_foreground. */
static int supervise(const char *command)
{
    struct terminal inner = open_terminal();
    const char *argv[] = {"setsid", "-c", "sh", "-c", command, NULL};
    const char *envp[] = {"PATH=/usr/bin:/bin", NULL};
    const struct tsr_spawn_options options = {
        .path = "/usr/bin/setsid", /* -c: with the terminal as its controlling one */
        .argv = (char *const *)argv,
        .envp = (char *const *)envp,
        .stdio = {inner.slave, inner.slave, inner.slave},
        .nstdio = 3,
        .cgroup_fd = -1,
    };
    struct tsr_spawned spawned;
    struct tsr_error error;
    int status;
    tsr_foreground_prepare(inner.master);
    CHECK(tsr_spawn(&options, &spawned, &error) == 0);
    close(inner.slave);
    CHECK(tsr_foreground(spawned.pid, spawned.pidfd, inner.master, NULL, &status, &error) == 0);
    return status;
}

/* An abort in the middle of it, as when the engine finds a broken heap. */
static struct tsr_raw_mode aborted_mode;
static void leave_aborted_mode(void)
{
    tsr_raw_mode_leave(&aborted_mode);
}

static int abort_in_raw_mode(const char *unused)
{
    (void)unused;
    struct tsr_error error;
    CHECK(tsr_raw_mode_enter(&aborted_mode, 0, &error) == 0);
    CHECK(tsr_signal_relay_start(true, leave_aborted_mode, &error) >= 0);
    abort();
}

static struct session start(int (*body)(const char *), const char *command, int stdout_fd)
{
    struct session session = {.outer = open_terminal()};
    const struct winsize size = {.ws_row = 33, .ws_col = 77};
    CHECK(ioctl(session.outer.slave, TIOCSWINSZ, &size) == 0);
    CHECK(tcgetattr(session.outer.slave, &session.before) == 0);
    session.pid = fork();
    CHECK(session.pid >= 0);
    if (session.pid == 0) {
        setsid();
        CHECK(ioctl(session.outer.slave, TIOCSCTTY, 0) == 0);
        dup2(session.outer.slave, 0);
        dup2(stdout_fd >= 0 ? stdout_fd : session.outer.slave, 1);
        dup2(session.outer.slave, 2);
        close_range(3, ~0U, 0); /* our reading ends must not live on in it */
        _exit(body(command));
    }
    return session;
}

/* Reads until the text has been seen; gives back how many bytes that took, or fails after 5 s. */
static size_t expect_output(int fd, const char *text)
{
    static char output[1 << 21];
    size_t size = 0;
    for (;;) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        CHECK(poll(&readable, 1, 5000) == 1);
        ssize_t got = read(fd, output + size, sizeof output - 1 - size);
        CHECK(got > 0);
        size += (size_t)got;
        if (memmem(output, size, text, strlen(text)) != NULL)
            return size;
    }
}

static bool is_raw(const struct session *session)
{
    struct termios now;
    CHECK(tcgetattr(session->outer.slave, &now) == 0);
    return (now.c_lflag & (ICANON | ISIG | ECHO)) == 0 && (now.c_oflag & OPOST) != 0;
}

/* Waits for the end and checks that the terminal is as it was. */
static int finish(struct session *session)
{
    int status;
    struct termios now;
    CHECK(waitpid(session->pid, &status, 0) == session->pid);
    CHECK(tcgetattr(session->outer.slave, &now) == 0);
    CHECK(now.c_iflag == session->before.c_iflag && now.c_oflag == session->before.c_oflag);
    CHECK(now.c_lflag == session->before.c_lflag && now.c_cflag == session->before.c_cflag);
    close(session->outer.master);
    close(session->outer.slave);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void test_bytes_and_status(void)
{
    struct session session = start(supervise, "stty size; read x; echo got $x; exit 7", -1);
    expect_output(session.outer.master, "33 77\r\n");
    while (!is_raw(&session))
        usleep(1000);
    CHECK(write(session.outer.master, "hello\r", 6) == 6);
    expect_output(session.outer.master, "hello\r\ngot hello\r\n");
    CHECK(finish(&session) == 7);
}

static void test_resize_and_interrupt(void)
{
    struct session session =
        start(supervise, "trap 'stty size' WINCH; echo ready; while :; do sleep 0.01; done", -1);
    expect_output(session.outer.master, "ready");
    const struct winsize size = {.ws_row = 50, .ws_col = 120};
    CHECK(ioctl(session.outer.master, TIOCSWINSZ, &size) == 0);
    expect_output(session.outer.master, "50 120");
    CHECK(write(session.outer.master, "\x1c", 1) == 1); /* ^\ is the container's business */
    CHECK(finish(&session) == 128 + SIGQUIT);
}

static void test_signals(void)
{
    struct session session = start(supervise, "echo ready; exec sleep 20", -1);
    expect_output(session.outer.master, "ready");
    CHECK(is_raw(&session));
    kill(session.pid, SIGTERM);
    CHECK(finish(&session) == 128 + SIGTERM);

    session = start(abort_in_raw_mode, NULL, -1);
    CHECK(finish(&session) == -SIGABRT);
}

/* All output arrives although a process in the background keeps the terminal open. */
static void test_drain(void)
{
    struct session session =
        start(supervise, "(trap '' HUP; sleep 2) & seq 1 100000; exit 5", -1);
    CHECK(expect_output(session.outer.master, "\n100000\r\n") >= 688895);
    CHECK(finish(&session) == 5);
}

static void test_lost_stdout(void)
{
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    struct session session = start(supervise, "seq 1 100000; exit 4", ends[1]);
    close(ends[0]);
    close(ends[1]);
    CHECK(finish(&session) == 4);
}

/* stdout that nobody reads holds us, but not against a signal; the shared pipe stays blocking. */
static void test_stuck_stdout(void)
{
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    struct session session = start(supervise, "seq 1 20000 & sleep 0.3; exit 6", ends[1]);
    usleep(600 * 1000);
    CHECK(waitpid(session.pid, NULL, WNOHANG) == 0);
    CHECK((fcntl(ends[1], F_GETFL) & O_NONBLOCK) == 0);
    kill(session.pid, SIGTERM);
    CHECK(finish(&session) == 6);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    alarm(60); /* a lost wake-up must not hang the build */
    signal(SIGPIPE, SIG_IGN);
    test_bytes_and_status();
    test_resize_and_interrupt();
    test_signals();
    test_drain();
    test_lost_stdout();
    test_stuck_stdout();
    puts("core_foreground_test: ok");
    return 0;
}
