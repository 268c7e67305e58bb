/*
 * Paths inside the container's root. Every look-up starts at the root's fd and stays below it, whatever
 * links an image holds and whoever renames meanwhile (CVE-2021-30465, CVE-2024-45310).
 */
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "init.h"
#include "sys.h"

#define MAX_LINKS 40
#define MAX_RACES 128

static int open_beneath(int root, const char *path, uint64_t flags, uint64_t extra) {
    for (int i = 0; i < MAX_RACES; i++) {
        int fd = sys_openat2(root, path, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | extra);
        /* EAGAIN: a rename went on meanwhile and `..` could not be shown to be safe */
        if (fd >= 0 || errno != EAGAIN)
            return fd >= 0 ? fd : -errno;
    }
    return -EAGAIN;
}

int open_in_root(struct init *c, const char *path, uint64_t flags, bool no_links) {
    int fd = open_beneath(c->root_fd, path, flags, no_links ? RESOLVE_NO_SYMLINKS : 0);
    if (fd < 0)
        c->step = "openat2";
    return fd;
}

/*
 * A component that is missing but present as a dangling link: what it points to is made instead, as
 * images have /var/run -> /run without /run. Puts the path that has to exist into `next`.
 */
static int follow_dangling(int parent, const char *name, const char *prefix, const char *rest,
                           char *next, size_t size) {
    char target[PATH_MAX];
    ssize_t length = readlinkat(parent, name, target, sizeof target - 1);
    if (length < 0)
        return -errno;
    target[length] = 0;
    int written = target[0] == '/' ? snprintf(next, size, "%s%s", target, rest)
                                   : snprintf(next, size, "%s/%s%s", prefix, target, rest);
    return written < 0 || (size_t)written >= size ? -ENAMETOOLONG : 0;
}

static int make_directories_at(struct init *c, const char *path, unsigned mode, bool no_links,
                               int links) {
    char prefix[PATH_MAX], next[PATH_MAX];
    if (links > MAX_LINKS)
        return refused(c, "mkdirat", ELOOP);
    if (strlen(path) >= sizeof prefix)
        return refused(c, "mkdirat", ENAMETOOLONG);
    int parent = open_in_root(c, "/", O_PATH | O_DIRECTORY, no_links);
    size_t used = 0;
    while (parent >= 0) {
        path += strspn(path, "/");
        size_t length = strcspn(path, "/");
        if (length == 0)
            return parent;
        char name[NAME_MAX + 1];
        if (length > NAME_MAX) {
            close(parent);
            return refused(c, "mkdirat", ENAMETOOLONG);
        }
        memcpy(name, path, length);
        name[length] = 0;
        prefix[used] = '/';
        memcpy(prefix + used + 1, name, length + 1);
        int fd = open_in_root(c, prefix, O_PATH | O_DIRECTORY, no_links);
        if (fd == -ENOENT) {
            if (mkdirat(parent, name, mode) == 0 || errno == EEXIST)
                fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (fd < 0)
                fd = failed(c, "mkdirat");
            if ((fd == -ENOTDIR || fd == -ELOOP) && !no_links) {
                prefix[used] = 0;
                int result = follow_dangling(parent, name, prefix, path + length, next, sizeof next);
                close(parent);
                return result < 0 ? refused(c, "readlinkat", -result)
                                  : make_directories_at(c, next, mode, no_links, links + 1);
            }
        }
        close(parent);
        parent = fd;
        used += 1 + length;
        path += length;
    }
    return parent;
}

int make_directories(struct init *c, const char *path, unsigned mode, bool no_links) {
    int fd = open_in_root(c, path, O_PATH | O_DIRECTORY, no_links);
    if (fd != -ENOENT)
        return fd;
    return make_directories_at(c, path, mode, no_links, 0);
}

int open_parent(struct init *c, const char *path, unsigned mode, const char **name) {
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    *name = slash == NULL ? path : slash + 1;
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    if (length >= sizeof parent)
        return refused(c, "openat2", ENAMETOOLONG);
    memcpy(parent, path, length);
    parent[length] = 0;
    return make_directories(c, length == 0 ? "/" : parent, mode, false);
}

int make_file(struct init *c, const char *path) {
    const char *name;
    int fd = open_in_root(c, path, O_PATH, false);
    if (fd != -ENOENT)
        return fd;
    int parent = open_parent(c, path, 0755, &name);
    if (parent < 0)
        return parent;
    int made = openat(parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0755);
    fd = made < 0 ? failed(c, "create mount point") : 0;
    if (made >= 0) {
        close(made);
        fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            fd = failed(c, "open mount point");
    }
    close(parent);
    return fd;
}

int write_proc(struct init *c, const char *path, const char *value) {
    int fd = sys_openat2(c->proc_fd, path, O_WRONLY, 0,
                         RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
    if (fd < 0)
        return failed(c, "open");
    size_t length = strlen(value);
    ssize_t written = write(fd, value, length);
    int result = written < 0 ? failed(c, "write") : 0;
    if (written >= 0 && (size_t)written != length)
        result = refused(c, "write", EIO);
    close(fd);
    return result;
}
