/*
 * Paths inside the container's root. Every look-up starts at the root's fd and stays below it, whatever
 * links an image holds and whoever renames meanwhile (CVE-2021-30465, CVE-2024-45310).
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "init.h"
#include "sys.h"

#define MAX_LINKS 40
#define MAX_RACES 128
#define AGAIN INT_MIN /* neither an fd nor an errno: a dangling link was met, `next` is to be made instead */

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

int open_again(struct init *c, int fd, int flags) {
    char self[32];
    /* by procfs, because that is how an O_PATH fd is opened; no name of the image is looked up again */
    snprintf(self, sizeof self, "self/fd/%d", fd);
    int opened = openat(c->proc_fd, self, flags | O_NOCTTY | O_CLOEXEC);
    return opened < 0 ? failed(c, "open") : opened;
}

/*
 * A component that is missing but present as a dangling link: what it points to is made instead, as
 * images have /var/run -> /run without /run. Puts the path that has to exist into `next`.
 */
static int follow_dangling(struct init *c, int parent, const char *name, const char *prefix,
                           const char *rest, char *next) {
    char target[PATH_MAX];
    ssize_t length = readlinkat(parent, name, target, sizeof target - 1);
    if (length < 0)
        return failed(c, "readlinkat");
    target[length] = 0;
    int written = target[0] == '/' ? snprintf(next, PATH_MAX, "%s%s", target, rest)
                                   : snprintf(next, PATH_MAX, "%s/%s%s", prefix, target, rest);
    return written < 0 || written >= PATH_MAX ? refused(c, "readlinkat", ENAMETOOLONG) : AGAIN;
}

static int make_directory(struct init *c, int parent, const char *name, unsigned mode) {
    int fd = -1;
    if (mkdirat(parent, name, mode) == 0 || errno == EEXIST)
        fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? failed(c, "mkdirat") : fd;
}

/* Walks down `path` and makes what is missing. An fd of the last directory, AGAIN or -errno. */
static int walk_down(struct init *c, const char *path, unsigned mode, bool no_links, char *next) {
    char prefix[PATH_MAX + 1], name[NAME_MAX + 1];
    size_t used = 0;
    if (strlen(path) >= PATH_MAX)
        return refused(c, "mkdirat", ENAMETOOLONG);
    int parent = open_in_root(c, "/", O_PATH | O_DIRECTORY, no_links);
    while (parent >= 0) {
        path += strspn(path, "/");
        size_t length = strcspn(path, "/");
        if (length == 0)
            return parent;
        if (length > NAME_MAX) {
            close(parent);
            return refused(c, "mkdirat", ENAMETOOLONG);
        }
        memcpy(name, path, length);
        name[length] = 0;
        path += length;
        prefix[used] = '/';
        memcpy(prefix + used + 1, name, length + 1);
        int fd = open_in_root(c, prefix, O_PATH | O_DIRECTORY, no_links);
        if (fd == -ENOENT) {
            fd = make_directory(c, parent, name, mode);
            if ((fd == -ENOTDIR || fd == -ELOOP) && !no_links) {
                prefix[used] = 0;
                fd = follow_dangling(c, parent, name, prefix, path, next);
            }
            if (fd == AGAIN) {
                close(parent);
                return AGAIN;
            }
        }
        close(parent);
        parent = fd;
        used += 1 + length;
    }
    return parent;
}

int make_directories(struct init *c, const char *path, unsigned mode, bool no_links) {
    char next[2][PATH_MAX]; /* the path at work may lie in one, its successor goes into the other */
    for (int links = 0; links <= MAX_LINKS; links++) {
        int fd = open_in_root(c, path, O_PATH | O_DIRECTORY, no_links);
        if (fd == -ENOENT)
            fd = walk_down(c, path, mode, no_links, next[links & 1]);
        if (fd != AGAIN)
            return fd;
        path = next[links & 1];
    }
    return refused(c, "mkdirat", ELOOP);
}

/* Splits a path: `parent` gets what is before the last slash, the name behind it is returned. */
static const char *split_path(const char *path, char *parent, size_t size) {
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    if (length >= size)
        return NULL;
    memcpy(parent, path, length);
    parent[length] = 0;
    return slash == NULL ? path : slash + 1;
}

int open_parent(struct init *c, const char *path, unsigned mode, const char **name) {
    char parent[PATH_MAX];
    *name = split_path(path, parent, sizeof parent);
    if (*name == NULL)
        return refused(c, "openat2", ENAMETOOLONG);
    return make_directories(c, parent[0] == 0 ? "/" : parent, mode, false);
}

/* One attempt at an empty file. An O_PATH fd, AGAIN where a dangling link lies, or -errno. */
static int create_file(struct init *c, const char *path, char *next) {
    char prefix[PATH_MAX];
    const char *name = split_path(path, prefix, sizeof prefix);
    if (name == NULL)
        return refused(c, "openat2", ENAMETOOLONG);
    int parent = make_directories(c, prefix[0] == 0 ? "/" : prefix, 0755, false);
    if (parent < 0)
        return parent;
    int made = openat(parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0755);
    int fd = made < 0 ? failed(c, "create mount point") : 0;
    if (made >= 0) {
        close(made);
        fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            fd = failed(c, "open mount point");
    } else if (fd == -EEXIST) {
        fd = follow_dangling(c, parent, name, prefix, "", next);
    }
    close(parent);
    return fd;
}

int make_file(struct init *c, const char *path) {
    char next[2][PATH_MAX];
    for (int links = 0; links <= MAX_LINKS; links++) {
        int fd = open_in_root(c, path, O_PATH, false);
        if (fd == -ENOENT)
            fd = create_file(c, path, next[links & 1]);
        if (fd != AGAIN)
            return fd;
        path = next[links & 1];
    }
    return refused(c, "create mount point", ELOOP);
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
