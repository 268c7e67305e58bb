/*
 * The loop behind `run` and `exec` in the foreground: signals in, bytes to and fro, exit status
 * out.
 */
#define _GNU_SOURCE
#include "foreground.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "notify.h"
#include "process.h"
#include "scoped_fd.h"
#include "signal_relay.h"
#include "terminal.h"

/*
 * While no process holds the terminal open, how often to look whether one (a getty) has come back.
 */
#define HUNG_UP_TICK_MS 100

/* What may be written at once to a pipe or terminal that may block: POLLOUT promises PIPE_BUF. */
#define BLOCKING_CHUNK 4096

struct buffer {
    size_t begin;
    size_t end;
    unsigned char data[32 * 1024];
};

/*
 * Where the container's output goes. Our stdout is shared with others: it never becomes O_NONBLOCK.
 */
struct sink {
    int fd;
    int own_fd; /* a description of our own, or -1 */
    bool is_socket;
    bool may_block;
    bool is_broken; /* the reader has gone: what comes is thrown away, the container goes on */
};

struct loop {
    int pidfd;
    int signals;
    int master;
    const struct tsr_notify_pair *notify; /* NULL when nobody wants to know */
    bool has_input;     /* stdin has not ended */
    bool is_hung_up;    /* nobody has the slave open */
    bool is_empty;      /* the last read of master found nothing */
    bool has_exited;
    bool is_abandoned;  /* told to end while writing the rest of the output */
    struct sink sink;
    struct buffer to_master;
    struct buffer to_sink;
    struct tsr_raw_mode raw_mode;
};

/* The raw mode to leave when we crash; set while a loop with a terminal runs. */
static _Atomic(const struct tsr_raw_mode *) crash_raw_mode;

static void restore_terminal_after_crash(void)
{
    const struct tsr_raw_mode *mode = atomic_load(&crash_raw_mode);
    if (mode != NULL)
        tsr_raw_mode_leave(mode);
}

static bool is_pending(const struct buffer *buffer)
{
    return buffer->begin < buffer->end;
}

/* Takes the window size of the first of our stdio fds that is a terminal, in runc's order. */
static void copy_window_size(int master)
{
    struct tsr_error ignored;
    struct tsr_terminal_size size;
    for (int fd = 2; fd >= 0; fd--) {
        if (tsr_terminal_get_size(fd, &size, &ignored) != 0)
            continue;
        if (size.rows != 0 || size.columns != 0)
            tsr_terminal_set_size(master, size, &ignored);
        return;
    }
}

/*
 * A pipe or terminal is opened a second time, to have a description that can be O_NONBLOCK without
 * surprising those we share stdout with. A stopped terminal then cannot hold up the signals.
 */
static void open_sink(struct sink *sink)
{
    *sink = (struct sink){.fd = STDOUT_FILENO, .own_fd = -1};
    struct stat info;
    if (fstat(sink->fd, &info) != 0)
        return;
    sink->is_socket = S_ISSOCK(info.st_mode);
    /* Opening /dev/ptmx would make a new terminal. */
    bool is_terminal = S_ISCHR(info.st_mode) && info.st_rdev != makedev(5, 2) && isatty(sink->fd);
    if (!is_terminal && !S_ISFIFO(info.st_mode))
        return;
    sink->own_fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (sink->own_fd >= 0)
        sink->fd = sink->own_fd;
    else
        sink->may_block = true;
}

static ssize_t write_sink(const struct sink *sink, const unsigned char *data, size_t size)
{
    if (sink->is_socket)
        return send(sink->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return write(sink->fd, data, sink->may_block && size > BLOCKING_CHUNK ? BLOCKING_CHUNK : size);
}

static void flush_to_sink(struct loop *loop)
{
    struct buffer *buffer = &loop->to_sink;
    ssize_t written = -1;
    if (!loop->sink.is_broken) {
        const size_t size = buffer->end - buffer->begin;
        written = write_sink(&loop->sink, buffer->data + buffer->begin, size);
        loop->sink.is_broken = written < 0 && errno != EAGAIN && errno != EINTR;
    }
    if (loop->sink.is_broken)
        buffer->begin = buffer->end;
    else if (written > 0)
        buffer->begin += (size_t)written;
}

/* Fills the buffer from the master. A terminal gives 4 KiB at most each time. */
static void read_master(struct loop *loop)
{
    struct buffer *buffer = &loop->to_sink;
    buffer->begin = buffer->end = 0;
    while (buffer->end < sizeof buffer->data) {
        ssize_t size = read(loop->master, buffer->data + buffer->end,
                            sizeof buffer->data - buffer->end);
        if (size > 0) {
            buffer->end += (size_t)size;
            loop->is_hung_up = false;
            continue;
        }
        if (size < 0 && errno == EINTR)
            continue;
        /* EIO: the last process that had the terminal open has closed it. */
        loop->is_empty = true;
        loop->is_hung_up = size == 0 || errno != EAGAIN;
        return;
    }
}

static void read_input(struct loop *loop)
{
    struct buffer *buffer = &loop->to_master;
    ssize_t size = read(STDIN_FILENO, buffer->data, BLOCKING_CHUNK);
    buffer->begin = 0;
    buffer->end = size > 0 ? (size_t)size : 0;
    /* Like runc we only stop at the end of stdin: the container's terminal sees no end of file. */
    if (size == 0 || (size < 0 && errno != EINTR && errno != EAGAIN))
        loop->has_input = false;
}

static void flush_to_master(struct loop *loop)
{
    struct buffer *buffer = &loop->to_master;
    ssize_t written =
        write(loop->master, buffer->data + buffer->begin, buffer->end - buffer->begin);
    if (written >= 0)
        buffer->begin += (size_t)written;
    else if (errno != EAGAIN && errno != EINTR)
        buffer->begin = buffer->end = 0;
}

static bool is_ending(int number)
{
    return number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGQUIT;
}

static void pass_signal(struct loop *loop, int number)
{
    struct tsr_error ignored;
    if (loop->master >= 0 && (number == SIGWINCH || number == SIGCONT)) {
        if (number == SIGCONT)
            tsr_raw_mode_resume(&loop->raw_mode);
        copy_window_size(loop->master);
    }
    if (number == SIGWINCH)
        return;
    if (!loop->has_exited)
        tsr_pidfd_signal(loop->pidfd, number, &ignored);
    else if (is_ending(number))
        loop->is_abandoned = true;
}

static void pass_signals(struct loop *loop)
{
    unsigned char numbers[64];
    ssize_t count;
    while ((count = read(loop->signals, numbers, sizeof numbers)) > 0) {
        for (ssize_t index = 0; index < count; index++)
            pass_signal(loop, numbers[index]);
    }
}

/* A manager that does not listen any more is no reason to stop the container. */
static void pass_notification(struct loop *loop)
{
    bool ready;
    struct tsr_error ignored;
    tsr_notify_forward(loop->notify->socket, loop->notify->host, &ready, &ignored);
}

enum { POLL_PID, POLL_SIGNALS, POLL_NOTIFY, POLL_MASTER, POLL_INPUT, POLL_SINK, POLL_COUNT };

/* Fds in which nothing interests us are left out: a hang-up that we cannot act on would spin. */
static void choose_events(const struct loop *loop, struct pollfd fds[POLL_COUNT])
{
    for (int index = 0; index < POLL_COUNT; index++)
        fds[index] = (struct pollfd){.fd = -1};
    fds[POLL_SIGNALS] = (struct pollfd){.fd = loop->signals, .events = POLLIN};
    if (loop->notify != NULL)
        fds[POLL_NOTIFY] = (struct pollfd){.fd = loop->notify->socket, .events = POLLIN};
    if (!loop->has_exited)
        fds[POLL_PID] = (struct pollfd){.fd = loop->pidfd, .events = POLLIN};
    if (loop->master < 0)
        return;
    if (is_pending(&loop->to_sink))
        fds[POLL_SINK] = (struct pollfd){.fd = loop->sink.fd, .events = POLLOUT};
    if (loop->is_hung_up)
        return;
    short events = 0;
    if (!is_pending(&loop->to_sink))
        events |= POLLIN;
    if (is_pending(&loop->to_master))
        events |= POLLOUT;
    if (events != 0)
        fds[POLL_MASTER] = (struct pollfd){.fd = loop->master, .events = events};
    if (loop->has_input && !is_pending(&loop->to_master) && !loop->has_exited)
        fds[POLL_INPUT] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
}

static int choose_timeout(const struct loop *loop)
{
    if (loop->has_exited && !is_pending(&loop->to_sink))
        return 0; /* copy_bytes reads what is left, without being asked to */
    return loop->is_hung_up ? HUNG_UP_TICK_MS : -1;
}

static bool is_finished(const struct loop *loop)
{
    if (!loop->has_exited)
        return false;
    return loop->master < 0 || loop->is_abandoned ||
           (!is_pending(&loop->to_sink) && loop->is_empty);
}

static void copy_bytes(struct loop *loop, const struct pollfd fds[POLL_COUNT])
{
    if (fds[POLL_INPUT].revents != 0)
        read_input(loop);
    if (is_pending(&loop->to_master) && !loop->is_hung_up)
        flush_to_master(loop);
    bool is_due = fds[POLL_MASTER].revents != 0 || loop->is_hung_up || loop->has_exited;
    if (is_due && !is_pending(&loop->to_sink))
        read_master(loop);
    if (is_pending(&loop->to_sink) && (fds[POLL_SINK].revents != 0 || fds[POLL_SINK].fd < 0))
        flush_to_sink(loop);
}

/* Returns when the process has exited and what it wrote has been passed on. */
static int run_loop(struct loop *loop, struct tsr_error *error)
{
    while (!is_finished(loop)) {
        struct pollfd fds[POLL_COUNT];
        choose_events(loop, fds);
        if (poll(fds, POLL_COUNT, choose_timeout(loop)) < 0) {
            if (errno != EINTR)
                return tsr_fail(error, "poll");
            continue;
        }
        if (fds[POLL_SIGNALS].revents != 0)
            pass_signals(loop);
        if (fds[POLL_NOTIFY].revents != 0)
            pass_notification(loop);
        if (fds[POLL_PID].revents != 0) {
            loop->has_exited = true;
            loop->is_empty = false; /* look once more: it may have written just before */
            loop->to_master.begin = loop->to_master.end = 0;
        }
        if (loop->master >= 0)
            copy_bytes(loop, fds);
    }
    return 0;
}

void tsr_foreground_prepare(int master)
{
    /* A terminal that cannot be configured is no reason to leave a container without supervisor. */
    struct tsr_error ignored;
    tsr_terminal_clear_onlcr(master, &ignored);
    copy_window_size(master);
}

static int set_up_terminal(struct loop *loop, struct tsr_error *error)
{
    tsr_foreground_prepare(loop->master);
    if (isatty(STDIN_FILENO) && tsr_raw_mode_enter(&loop->raw_mode, STDIN_FILENO, error) != 0)
        return -1;
    open_sink(&loop->sink);
    return 0;
}

static int supervise(struct loop *loop, struct tsr_error *error)
{
    const bool has_terminal = loop->master >= 0;
    if (has_terminal && set_up_terminal(loop, error) != 0)
        return -1;
    atomic_store(&crash_raw_mode, &loop->raw_mode);
    int result = loop->signals =
        tsr_signal_relay_start(has_terminal, restore_terminal_after_crash, error);
    if (result >= 0) {
        if (has_terminal)
            copy_window_size(loop->master); /* it may have changed before we caught SIGWINCH */
        result = run_loop(loop, error);
    }
    /* The terminal first: a signal that ends us from here on finds it in order. */
    tsr_raw_mode_leave(&loop->raw_mode);
    atomic_store(&crash_raw_mode, NULL);
    if (loop->signals >= 0)
        tsr_signal_relay_stop(loop->signals);
    tsr_scoped_fd_close(&loop->sink.own_fd);
    return result;
}

int tsr_foreground(pid_t pid, int pidfd, int master, const struct tsr_notify_pair *notify,
                   int *status, struct tsr_error *error)
{
    struct loop loop;
    memset(&loop, 0, sizeof loop);
    loop.pidfd = pidfd;
    loop.signals = -1;
    loop.master = master;
    loop.notify = notify;
    loop.has_input = true;
    loop.sink.own_fd = -1;

    int flags = -1;
    if (master >= 0) {
        flags = fcntl(master, F_GETFL);
        if (flags < 0 || fcntl(master, F_SETFL, flags | O_NONBLOCK) != 0)
            return tsr_fail(error, "fcntl");
    }
    int result = supervise(&loop, error);
    if (master >= 0)
        fcntl(master, F_SETFL, flags);
    if (result < 0)
        return -1;
    return tsr_wait_pid(pid, false, status, error) < 0 ? -1 : 0;
}
