/* containerd-shim-tsrunc-v2: tries the fast way, then becomes the engine. */
#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/scoped_fd.h"

const char shim_name[] = "containerd-shim-tsrunc-v2";

/* More than the engine reads (shim/bootstrap/start.ts), so that it is the one to complain. */
#define INPUT_MAX (11L * 1024 * 1024)

extern char **environ;

static ssize_t read_some(int fd, void *data, size_t size)
{
    ssize_t got;
    do {
        got = read(fd, data, size);
    } while (got < 0 && errno == EINTR);
    return got;
}

long read_file(const char *path, char *data, size_t size)
{
    TSR_SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t total = 0;
    for (;;) {
        ssize_t got = read_some(fd, data + total, size - total);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        total += (size_t)got;
    }
    if (total == size) {
        errno = EFBIG;
        return -1;
    }
    return (long)total;
}

bool write_all(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t written = write(fd, at, size);
        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            at += written;
            size -= (size_t)written;
        }
    }
    return true;
}

bool engine_path(char *path, size_t size)
{
    static const char libexec[] = "/libexec/tsrunc";
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length < 0)
        return false;
    path[length] = '\0';
    char *end = strrchr(path, '/');
    size_t directory = (size_t)(end - path);
    const char *rest = "/tsrunc";
    /* where `make install` puts it; a copy elsewhere looks beside itself */
    if (directory > sizeof libexec - 1 &&
        memcmp(end - (sizeof libexec - 1), libexec, sizeof libexec - 1) == 0) {
        end -= sizeof libexec - 1;
        rest = "/bin/tsrunc";
    }
    size_t left = size - (size_t)(end - path);
    return (size_t)snprintf(end, left, "%s", rest) < left;
}

/* False when it does not end within the buffer. */
static bool read_input(struct input *input)
{
    while (input->size < sizeof input->data) {
        ssize_t got =
            read_some(STDIN_FILENO, input->data + input->size, sizeof input->data - input->size);
        if (got < 0)
            return false;
        if (got == 0)
            return true;
        input->size += (size_t)got;
    }
    return false;
}

/* Puts what has been read, and what may follow, where the engine reads it. */
static bool give_back(const struct input *input)
{
    TSR_SCOPED_FD int memory = memfd_create("stdin", MFD_CLOEXEC);
    if (memory < 0 || !write_all(memory, input->data, input->size))
        return false;
    char more[4096];
    for (long total = (long)input->size; total < INPUT_MAX;) {
        ssize_t got = read_some(STDIN_FILENO, more, sizeof more);
        if (got <= 0)
            break;
        if (!write_all(memory, more, (size_t)got))
            return false;
        total += got;
    }
    return lseek(memory, 0, SEEK_SET) == 0 && dup2(memory, STDIN_FILENO) == STDIN_FILENO;
}

/* Variables that steer the engine, or make another program of it, are not for whoever sets containerd's. */
static void scrub_environment(void)
{
    char **to = environ;
    for (char **from = environ; *from != NULL; from++) {
        if (strncmp(*from, "BUN_", 4) != 0)
            *to++ = *from;
    }
    *to = NULL;
}

static _Noreturn void become_engine(char *argv[])
{
    char engine[PATH_MAX];
    const char *slash = strrchr(argv[0], '/');
    if (strcmp(slash == NULL ? argv[0] : slash + 1, shim_name) != 0)
        argv[0] = (char *)shim_name;
    scrub_environment();
    if (!engine_path(engine, sizeof engine))
        strcpy(engine, "tsrunc");
    execve(engine, argv, environ);
    fprintf(stderr, "%s: execute %s: %s\n", shim_name, engine, strerror(errno));
    exit(1);
}

int main(int argc, char *argv[])
{
    static struct input input;
    struct flags flags;
    if (argc < 1)
        return 1;
    if (flags_parse(argv, &flags)) {
        if (strcmp(flags.action, "delete") == 0 && fast_delete(&flags))
            return 0;
        if (strcmp(flags.action, "start") == 0) {
            if (read_input(&input) && fast_start(&flags, &input))
                return 0;
            if (!give_back(&input)) {
                fprintf(stderr, "%s: copy standard input: %s\n", shim_name, strerror(errno));
                return 1;
            }
        }
    }
    become_engine(argv);
}
