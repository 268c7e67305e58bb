/* Unix sockets addressed through /proc/self/fd, which frees them from the 108 bytes of sun_path. */
#define _GNU_SOURCE
#include "socket.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scoped_fd.h"

int tsr_socket_pair(int pair[2], struct tsr_error *error)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return tsr_fail(error, "socketpair");
    return 0;
}

int tsr_socket_bind_address(int directory, const char *name, struct sockaddr_un *address,
                            struct tsr_error *error)
{
    if (name[0] == '\0' || strchr(name, '/') != NULL)
        return tsr_fail_with(error, EINVAL, "bind");
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s",
                          directory, name);
    if (length < 0 || (size_t)length >= sizeof address->sun_path)
        return tsr_fail_with(error, ENAMETOOLONG, "bind");
    return 0;
}

static int listen_on(int type, const struct sockaddr_un *address, int backlog,
                     struct tsr_error *error)
{
    TSR_SCOPED_FD int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return tsr_fail(error, "socket");
    /*
     * bind gives the socket file the mode of the socket inode: no window with an open mode, no
     * umask.
     */
    if (fchmod(fd, 0600) != 0)
        return tsr_fail(error, "fchmod");
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) != 0)
        return tsr_fail(error, "bind");
    if (listen(fd, backlog) != 0)
        return tsr_fail(error, "listen");
    return tsr_take_fd(&fd);
}

int tsr_socket_listen_at(int directory, const char *name, struct tsr_error *error)
{
    struct sockaddr_un address;
    if (tsr_socket_bind_address(directory, name, &address, error) != 0)
        return -1;
    return listen_on(SOCK_SEQPACKET, &address, 16, error);
}

int tsr_socket_listen_stream(const char *path, struct tsr_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length == 0)
        return tsr_fail_with(error, ENOENT, "bind");
    if (length >= sizeof address.sun_path)
        return tsr_fail_with(error, ENAMETOOLONG, "bind");
    memcpy(address.sun_path, path, length);
    return listen_on(SOCK_STREAM | SOCK_NONBLOCK, &address, SOMAXCONN, error);
}

int tsr_socket_is_listening(const char *path, struct tsr_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path)
        return tsr_fail_with(error, ENAMETOOLONG, "connect");
    memcpy(address.sun_path, path, length);
    TSR_SCOPED_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return tsr_fail(error, "socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return 1;
    /* EAGAIN: it has more callers than it has accepted yet */
    if (errno == EAGAIN || errno == ECONNREFUSED || errno == ENOENT)
        return errno == EAGAIN;
    return tsr_fail(error, "connect");
}

int tsr_socket_accept(int listener, struct ucred *peer, struct tsr_error *error)
{
    TSR_SCOPED_FD int fd = -1;
    do {
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0)
        return tsr_fail(error, "accept4");
    socklen_t size = sizeof *peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &size) != 0)
        return tsr_fail(error, "getsockopt");
    return tsr_take_fd(&fd);
}

ssize_t tsr_socket_try_read(int fd, void *data, size_t size, struct tsr_error *error)
{
    for (;;) {
        ssize_t count = recv(fd, data, size, MSG_DONTWAIT);
        if (count < 0 && errno == ENOTSOCK)
            count = read(fd, data, size);
        if (count >= 0 || errno != EINTR)
            return count < 0 ? tsr_fail(error, "read") : count;
    }
}

ssize_t tsr_socket_try_write(int fd, const void *data, size_t size, struct tsr_error *error)
{
    for (;;) {
        ssize_t count = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0 && errno == ENOTSOCK)
            count = write(fd, data, size);
        if (count >= 0 || errno != EINTR)
            return count < 0 ? tsr_fail(error, "write") : count;
    }
}

/*
 * Connects to a socket file that has been opened with O_PATH: one lookup, no race, no length limit.
 */
static int connect_to_file(int type, int file, struct tsr_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", file);
    TSR_SCOPED_FD int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return tsr_fail(error, "socket");
    while (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        if (errno != EINTR)
            return tsr_fail(error, "connect");
    }
    return tsr_take_fd(&fd);
}

int tsr_socket_connect_at(int directory, const char *name, struct tsr_error *error)
{
    if (name[0] == '\0' || strchr(name, '/') != NULL)
        return tsr_fail_with(error, EINVAL, "connect");
    TSR_SCOPED_FD int file = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0)
        return tsr_fail(error, "connect");
    struct stat info;
    if (fstat(file, &info) != 0)
        return tsr_fail(error, "connect");
    if (S_ISLNK(info.st_mode))
        return tsr_fail_with(error, ELOOP, "connect");
    return connect_to_file(SOCK_SEQPACKET, file, error);
}

static int connect_to_path(int type, const char *path, struct tsr_error *error)
{
    TSR_SCOPED_FD int file = open(path, O_PATH | O_CLOEXEC);
    if (file < 0)
        return tsr_fail(error, "connect");
    return connect_to_file(type, file, error);
}

int tsr_socket_connect_stream(const char *path, struct tsr_error *error)
{
    return connect_to_path(SOCK_STREAM, path, error);
}

int tsr_socket_connect_datagram(const char *path, struct tsr_error *error)
{
    return connect_to_path(SOCK_DGRAM, path, error);
}
