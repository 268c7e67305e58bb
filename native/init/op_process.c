/* Operations on the process itself that are not about privileges. */
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/stat.h>

#include "init.h"
#include "sys.h"

#define MAX_KEY_NAME 4096
#define MAX_PASSWD (16L << 20)

int op_fix_stdio(struct init *c, const struct tsr_args_fix_stdio *a) {
    struct stat st;
    for (int fd = 0; fd < 3; fd++) {
        if (fstat(fd, &st) != 0) {
            if (errno == EBADF)
                continue;
            return failed(c, "fstat");
        }
        /* the host's /dev/null is everybody's */
        if ((S_ISCHR(st.st_mode) && st.st_rdev == 0x103) || st.st_uid == a->uid)
            continue;
        /* refused where the owner has no id in the user namespace, or on a read-only file system */
        if (fchown(fd, a->uid, (gid_t)-1) != 0 && errno != EINVAL && errno != EPERM &&
            errno != EROFS && errno != ENOSYS)
            return failed(c, "fchown");
    }
    return 0;
}

int op_join_keyring(struct init *c, const struct tsr_args_join_keyring *a) {
    long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, a->name);
    if (ring < 0)
        return errno == ENOSYS ? 0 : failed(c, "keyctl");
    if (!a->create)
        return 0;
    char text[MAX_KEY_NAME + 64] = {0}; /* too small a buffer would be left as it is */
    if (syscall(SYS_keyctl, KEYCTL_DESCRIBE, ring, text, sizeof text - 1) < 0)
        return failed(c, "keyctl");
    unsigned permissions = 0;
    /* type;uid;gid;perm;name: others of the same uid get search, so that exec can join */
    if (sscanf(text, "%*[^;];%*d;%*d;%x;", &permissions) != 1)
        return refused(c, "keyctl", EPROTO);
    return syscall(SYS_keyctl, KEYCTL_SETPERM, ring, permissions | 0x080000) == 0
               ? 0
               : failed(c, "keyctl");
}

int op_personality(struct init *c, const struct tsr_args_personality *a) {
    return personality((unsigned long)a->value) >= 0 ? 0 : failed(c, "personality");
}

int op_scheduler(struct init *c, const struct tsr_args_scheduler *a) {
    uint32_t size = 0; /* the kernel believes the structure's own first word */
    if (a->attributes.len >= sizeof size)
        memcpy(&size, a->attributes.data, sizeof size);
    if (size < sizeof size || size > a->attributes.len)
        return refused(c, "sched_setattr", EINVAL);
    return syscall(SYS_sched_setattr, 0, a->attributes.data, 0) == 0
               ? 0
               : failed(c, "sched_setattr");
}

int op_io_priority(struct init *c, const struct tsr_args_io_priority *a) {
    return syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, (int)a->value) == 0
               ? 0
               : failed(c, "ioprio_set");
}

int op_affinity(struct init *c, const struct tsr_args_affinity *a) {
    if (syscall(SYS_sched_setaffinity, 0, (size_t)a->mask.len, a->mask.data) == 0 || a->optional)
        return 0;
    return failed(c, "sched_setaffinity");
}

int op_umask(struct init *c, const struct tsr_args_umask *a) {
    umask((mode_t)a->mask);
    c->umask = a->mask;
    return 0;
}

/* One line of passwd(5): is it the uid's, and where does its home start? */
static bool home_in_line(const char *line, uint32_t uid, char *home, size_t size) {
    const char *fields[6] = {line}; /* name, password, uid, gid, gecos, home */
    for (int i = 1; i < 6; i++) {
        const char *colon = strchr(fields[i - 1], ':');
        if (colon == NULL)
            return false;
        fields[i] = colon + 1;
    }
    char *end;
    if (fields[2][0] < '0' || fields[2][0] > '9') /* strtoul takes spaces and signs */
        return false;
    unsigned long number = strtoul(fields[2], &end, 10);
    if (*end != ':' || number != uid)
        return false;
    size_t length = strcspn(fields[5], ":\n");
    if (length == 0 || length >= size)
        return false;
    memcpy(home, fields[5], length);
    home[length] = 0;
    return true;
}

void read_home(int fd, uint32_t uid, char *home, size_t size) {
    char line[4096];
    FILE *file = fdopen(fd, "re");
    if (file == NULL) {
        close(fd);
        return;
    }
    for (long budget = MAX_PASSWD; budget > 0 && fgets(line, sizeof line, file) != NULL;) {
        if (home_in_line(line, uid, home, size))
            break;
        budget -= (long)strlen(line) + 1; /* lines of NULs count too */
    }
    fclose(file);
}

/* The image decides what /etc/passwd is: a fifo, a device or a link to one of them is no passwd file. */
int op_find_home(struct init *c, const struct tsr_args_find_home *a) {
    struct stat st;
    memcpy(c->home, "HOME=/", 7);
    int found = open_in_root(c, "/etc/passwd", O_PATH, false);
    if (found < 0)
        return 0;
    if (fstat(found, &st) == 0 && S_ISREG(st.st_mode)) {
        int fd = open_again(c, found, O_RDONLY | O_NONBLOCK); /* some regular files of procfs block */
        if (fd >= 0)
            read_home(fd, a->uid, c->home + 5, sizeof c->home - 5);
    }
    close(found);
    return 0;
}

int op_change_directory(struct init *c, const struct tsr_args_change_directory *a) {
    char where[PATH_MAX];
    if (c->is_inside_cwd)
        return 0; /* a directory that root could enter serves a user who could not */
    /* no magic links: /proc/self/fd/N must not lead to what we have open (CVE-2024-21626) */
    int dir = sys_openat2(AT_FDCWD, a->path, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_MAGICLINKS);
    int result = dir < 0 || fchdir(dir) != 0 ? failed(c, "chdir") : 0;
    if (dir >= 0)
        close(dir);
    /* the user may be allowed what root is not (NFS, FUSE): tried again as the user */
    if ((result == -EACCES || result == -EPERM) && !a->last)
        return 0;
    if (result < 0)
        return result;
    c->is_inside_cwd = true;
    /* outside our root the kernel says `(unreachable)...`: a leaked host directory (CVE-2024-21626) */
    if (syscall(SYS_getcwd, where, sizeof where) < 0)
        return failed(c, "getcwd");
    if (where[0] != '/') {
        set_detail(c, "current working directory is outside of the container's root", NULL);
        return refused(c, "chdir", ENOENT);
    }
    return 0;
}
