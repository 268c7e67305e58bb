/* Relays sd_notify(3) datagrams: what a container says reaches the manager only line by line. */
#define _GNU_SOURCE
#include "notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scoped_fd.h"
#include "socket.h"

/* systemd's own limit is a page (NOTIFY_BUFFER_MAX). */
#define MAX_DATAGRAM 4096

/* A killed owner leaves the file, on which nobody answers. */
static bool is_abandoned(const struct sockaddr_un *address)
{
    TSR_SCOPED_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED)
        return true;
    errno = EADDRINUSE;
    return false;
}

int tsr_notify_listen_at(int directory, const char *name, struct tsr_error *error)
{
    struct sockaddr_un address;
    if (tsr_socket_bind_address(directory, name, &address, error) != 0)
        return -1;

    TSR_SCOPED_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return tsr_fail(error, "socket");
    int result = bind(fd, (const struct sockaddr *)&address, sizeof address);
    if (result != 0 && errno == EADDRINUSE && is_abandoned(&address)) {
        if (unlinkat(directory, name, 0) != 0 && errno != ENOENT)
            return tsr_fail(error, "unlink");
        result = bind(fd, (const struct sockaddr *)&address, sizeof address);
    }
    if (result != 0)
        return tsr_fail(error, "bind");
    /* the umask took bits from the file's mode; the container's user has to be able to write */
    if (fchmodat(directory, name, 0777, 0) != 0)
        return tsr_fail(error, "fchmodat");
    return tsr_take_fd(&fd);
}

static int connect_abstract(const char *name, struct tsr_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    if (length > sizeof address.sun_path)
        return tsr_fail_with(error, ENAMETOOLONG, "connect");
    memcpy(address.sun_path, name, length);
    address.sun_path[0] = '\0';
    TSR_SCOPED_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return tsr_fail(error, "socket");
    if (connect(fd, (const struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) != 0)
        return tsr_fail(error, "connect");
    return tsr_take_fd(&fd);
}

int tsr_notify_connect(const char *address, struct tsr_error *error)
{
    if (address[0] == '@')
        return connect_abstract(address, error);
    return tsr_socket_connect_datagram(address, error);
}

static bool is_allowed(const char *line)
{
    return strcmp(line, "READY=1") == 0 || strcmp(line, "STOPPING=1") == 0 ||
           strncmp(line, "STATUS=", 7) == 0 || strncmp(line, "EXTEND_TIMEOUT_USEC=", 20) == 0;
}

/* Keeps the allowed lines of a NUL-terminated text, each with its newline. Returns their size. */
static size_t filter_lines(char *text, char *kept, bool *ready)
{
    size_t size = 0;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (!is_allowed(line))
            continue;
        size_t length = strlen(line);
        memcpy(kept + size, line, length);
        kept[size + length] = '\n';
        size += length + 1;
        if (line[0] == 'R')
            *ready = true;
    }
    return size;
}

int tsr_notify_forward(int socket, int host, bool *ready, struct tsr_error *error)
{
    char text[MAX_DATAGRAM + 1], kept[MAX_DATAGRAM + 1];
    *ready = false;
    ssize_t size = recv(socket, text, MAX_DATAGRAM, MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (size < 0)
        return tsr_fail(error, "recv");
    if (size > MAX_DATAGRAM)
        return 0;
    text[size] = '\0';
    size_t count = filter_lines(text, kept, ready);
    if (count == 0)
        return 0;
    return send(host, kept, count, MSG_NOSIGNAL) < 0 ? tsr_fail(error, "send") : 0;
}
