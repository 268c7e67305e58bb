/* Copies a directory tree into a new tmpfs (the tmpcopyup mount option). */
#include <dirent.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "init.h"
#include "sys.h"

#define MAX_DEPTH 128

static int copy_directory(struct init *c, int from, int to, int depth);

/* Those that the new file system or a user namespace refuses are left out, as by cp --preserve=xattr. */
static void copy_attributes(int from, int to) {
    static char names[XATTR_LIST_MAX], value[XATTR_SIZE_MAX];
    ssize_t size = flistxattr(from, names, sizeof names);
    for (const char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
        ssize_t length = fgetxattr(from, name, value, sizeof value);
        if (length >= 0)
            (void)fsetxattr(to, name, value, (size_t)length, 0);
    }
}

/* Owner, mode, extended attributes and times, in an order in which none undoes another. */
static int take_over(struct init *c, int from, int to, const struct stat *st) {
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    if (fchown(to, st->st_uid, st->st_gid) != 0)
        return failed(c, "fchown");
    if (fchmod(to, st->st_mode & 07777) != 0)
        return failed(c, "fchmod");
    copy_attributes(from, to);
    return futimens(to, times) == 0 ? 0 : failed(c, "futimens");
}

static int copy_file(struct init *c, int from, int to, const char *name, const struct stat *st) {
    int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (in < 0)
        return failed(c, "open");
    int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int result = out < 0 ? failed(c, "create") : 0;
    while (result == 0) {
        ssize_t sent = sendfile(out, in, NULL, 1 << 20);
        if (sent < 0)
            result = failed(c, "sendfile");
        if (sent <= 0)
            break;
    }
    if (result == 0)
        result = take_over(c, in, out, st);
    close(in);
    if (out >= 0)
        close(out);
    return result;
}

static int copy_link(struct init *c, int from, int to, const char *name, const struct stat *st) {
    char target[PATH_MAX];
    ssize_t length = readlinkat(from, name, target, sizeof target - 1);
    if (length < 0)
        return failed(c, "readlinkat");
    target[length] = 0;
    if (symlinkat(target, to, name) != 0)
        return failed(c, "symlinkat");
    return fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) == 0
               ? 0
               : failed(c, "fchownat");
}

static int copy_subdirectory(struct init *c, int from, int to, const char *name,
                             const struct stat *st, int depth) {
    if (mkdirat(to, name, 0700) != 0)
        return failed(c, "mkdirat");
    int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int result = in < 0 || out < 0 ? failed(c, "open") : copy_directory(c, in, out, depth + 1);
    if (result == 0)
        result = take_over(c, in, out, st);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return result;
}

static int copy_entry(struct init *c, int from, int to, const char *name, int depth) {
    struct stat st;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return failed(c, "fstatat");
    int result;
    if (S_ISDIR(st.st_mode))
        result = copy_subdirectory(c, from, to, name, &st, depth);
    else if (S_ISREG(st.st_mode))
        result = copy_file(c, from, to, name, &st);
    else if (S_ISLNK(st.st_mode))
        result = copy_link(c, from, to, name, &st);
    else
        result = mknodat(to, name, st.st_mode, st.st_rdev) == 0 ? 0 : failed(c, "mknodat");
    if (result < 0 && c->detail[0] == 0)
        set_detail(c, "copying ", name);
    return result;
}

static int copy_directory(struct init *c, int from, int to, int depth) {
    if (depth > MAX_DEPTH)
        return refused(c, "copy", ELOOP);
    int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    if (dir == NULL) {
        int result = failed(c, "fdopendir");
        if (again >= 0)
            close(again);
        return result;
    }
    int result = 0;
    struct dirent *entry;
    while (result == 0) {
        errno = 0;
        entry = readdir(dir);
        if (entry == NULL) {
            result = errno == 0 ? 0 : failed(c, "readdir");
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = copy_entry(c, from, to, entry->d_name, depth);
    }
    closedir(dir);
    return result;
}

int copy_tree(struct init *c, int from, int to) {
    struct stat st;
    int result = copy_directory(c, from, to, 0);
    if (result < 0)
        return result;
    return fstat(from, &st) == 0 ? take_over(c, from, to, &st) : failed(c, "fstat");
}
