/* Copies between any two fds: splice(2) between pipes, else read and write with what is left kept. */
#define _GNU_SOURCE
#include "copy.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pipe of the usual size holds as much. */
#define SPLICE_SIZE (64 * 1024)
/* What a copy may move in a turn while others wait. */
#define SHARE (256 * 1024)

static int find_kind(int fd, enum tsr_copy_kind *kind, struct tsr_error *error)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return tsr_fail(error, "fstat");
    if (S_ISFIFO(info.st_mode))
        *kind = TSR_COPY_PIPE;
    else if (S_ISSOCK(info.st_mode))
        *kind = TSR_COPY_SOCKET;
    else
        *kind = S_ISCHR(info.st_mode) ? TSR_COPY_DEVICE : TSR_COPY_FILE;
    return 0;
}

/* Sockets are told with each call not to block, regular files do not know the flag. */
static int make_non_blocking(int fd, enum tsr_copy_kind kind)
{
    if (kind != TSR_COPY_PIPE && kind != TSR_COPY_DEVICE)
        return 0;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -1;
    return (flags & O_NONBLOCK) != 0 ? 0 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static void forget_pending(struct tsr_copy *copy)
{
    if (copy->pending != NULL)
        munmap(copy->pending, copy->pending_end);
    copy->pending = NULL;
}

int tsr_copy_open(struct tsr_copy *copy, int from, int to, struct tsr_error *error)
{
    *copy = (struct tsr_copy){.from = from, .to = to};
    if (find_kind(from, &copy->from_kind, error) != 0 ||
        find_kind(to, &copy->to_kind, error) != 0) {
        tsr_copy_close(copy);
        return -1;
    }
    copy->splices = copy->from_kind == TSR_COPY_PIPE && copy->to_kind == TSR_COPY_PIPE;
    if (!copy->splices && (make_non_blocking(from, copy->from_kind) != 0 ||
                           make_non_blocking(to, copy->to_kind) != 0)) {
        tsr_fail(error, "fcntl");
        tsr_copy_close(copy);
        return -1;
    }
    return 0;
}

void tsr_copy_close(struct tsr_copy *copy)
{
    if (copy->from >= 0)
        close(copy->from);
    if (copy->to >= 0)
        close(copy->to);
    copy->from = copy->to = -1;
    forget_pending(copy);
}

static enum tsr_copy_next done(int *result, int number)
{
    *result = number;
    return TSR_COPY_DONE;
}

/* A read of nothing: the end, but for a fifo that has had no writer since it was opened. */
static enum tsr_copy_next at_end(const struct tsr_copy *copy, int *result)
{
    if (copy->from_kind != TSR_COPY_PIPE)
        return done(result, 0);
    struct pollfd from = {.fd = copy->from, .events = POLLIN};
    if (poll(&from, 1, 0) < 0)
        return done(result, errno);
    return (from.revents & POLLHUP) != 0 ? done(result, 0) : TSR_COPY_WAIT_FROM;
}

/* splice(2) does not say which of the two made it stop, and a full target hides the end of the source. */
static enum tsr_copy_next who_blocks(const struct tsr_copy *copy, int *result)
{
    struct pollfd fds[] = {{.fd = copy->from, .events = POLLIN}, {.fd = copy->to, .events = POLLOUT}};
    if (poll(fds, 2, 0) < 0)
        return done(result, errno);
    if ((fds[1].revents & POLLERR) != 0)
        return done(result, EPIPE);
    if ((fds[0].revents & POLLIN) != 0)
        return TSR_COPY_WAIT_TO;
    return (fds[0].revents & POLLHUP) != 0 ? done(result, 0) : TSR_COPY_WAIT_FROM;
}

static enum tsr_copy_next splice_turn(struct tsr_copy *copy, int *result)
{
    for (size_t moved = 0; moved < SHARE;) {
        ssize_t size = splice(copy->from, NULL, copy->to, NULL, SPLICE_SIZE, SPLICE_F_NONBLOCK);
        if (size == 0)
            return at_end(copy, result);
        if (size < 0)
            return errno == EAGAIN ? who_blocks(copy, result) : done(result, errno);
        /* Most likely this was all. If the target is full, the next turn finds out. */
        if (size < SPLICE_SIZE)
            return TSR_COPY_WAIT_FROM;
        moved += (size_t)size;
    }
    return TSR_COPY_AGAIN;
}

/* Bytes written; -1 with EAGAIN when none went. */
static ssize_t put(const struct tsr_copy *copy, const uint8_t *data, size_t size)
{
    ssize_t written = copy->to_kind == TSR_COPY_SOCKET
                          ? send(copy->to, data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                          : write(copy->to, data, size);
    if (written == 0) {
        errno = EAGAIN;
        return -1;
    }
    return written;
}

static ssize_t get(const struct tsr_copy *copy, uint8_t *buffer)
{
    return copy->from_kind == TSR_COPY_SOCKET
               ? recv(copy->from, buffer, TSR_COPY_BUFFER, MSG_DONTWAIT)
               : read(copy->from, buffer, TSR_COPY_BUFFER);
}

/* Writes until all is written (AGAIN) or the target is full. */
static enum tsr_copy_next put_all(const struct tsr_copy *copy, const uint8_t *data, size_t *at,
                                  size_t end, int *result)
{
    while (*at < end) {
        ssize_t written = put(copy, data + *at, end - *at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno == EAGAIN ? TSR_COPY_WAIT_TO : done(result, errno);
        *at += (size_t)written;
    }
    return TSR_COPY_AGAIN;
}

static enum tsr_copy_next put_pending(struct tsr_copy *copy, int *result)
{
    enum tsr_copy_next next =
        put_all(copy, copy->pending, &copy->pending_at, copy->pending_end, result);
    if (next == TSR_COPY_AGAIN)
        forget_pending(copy);
    return next;
}

/* Takes over what did not fit. */
static enum tsr_copy_next keep(struct tsr_copy *copy, const uint8_t *data, size_t size, int *result)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return done(result, ENOMEM);
    copy->pending = memcpy(memory, data, size);
    copy->pending_at = 0;
    copy->pending_end = size;
    return TSR_COPY_WAIT_TO;
}

static enum tsr_copy_next buffer_turn(struct tsr_copy *copy, uint8_t *buffer, int *result)
{
    if (copy->pending != NULL) {
        enum tsr_copy_next next = put_pending(copy, result);
        if (next != TSR_COPY_AGAIN)
            return next;
    }
    for (size_t moved = 0; moved < SHARE;) {
        ssize_t size = get(copy, buffer);
        if (size == 0)
            return at_end(copy, result);
        if (size < 0) {
            if (errno == EINTR)
                continue;
            if (errno == EAGAIN)
                return TSR_COPY_WAIT_FROM;
            return done(result, errno == EIO && copy->from_kind == TSR_COPY_DEVICE ? 0 : errno);
        }
        size_t at = 0;
        enum tsr_copy_next next = put_all(copy, buffer, &at, (size_t)size, result);
        if (next == TSR_COPY_WAIT_TO)
            return keep(copy, buffer + at, (size_t)size - at, result);
        if (next != TSR_COPY_AGAIN)
            return next;
        moved += (size_t)size;
    }
    return TSR_COPY_AGAIN;
}

enum tsr_copy_next tsr_copy_turn(struct tsr_copy *copy, uint8_t *buffer, int *result)
{
    if (!copy->splices)
        return buffer_turn(copy, buffer, result);
    enum tsr_copy_next next = splice_turn(copy, result);
    if (next != TSR_COPY_DONE || *result != EINVAL)
        return next;
    /* The target cannot be spliced to after all (O_APPEND on some kernels). */
    if (make_non_blocking(copy->from, TSR_COPY_PIPE) != 0 ||
        make_non_blocking(copy->to, TSR_COPY_PIPE) != 0)
        return done(result, errno);
    copy->splices = false;
    return TSR_COPY_AGAIN;
}
