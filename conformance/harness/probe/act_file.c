// Actions on files: each tries one system call on a path and prints the errno, so that a test sees
// what is permitted.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "json.h"
#include "probe.h"

// write PATH [TEXT]: creates the file when it is missing.
static int act_write(int argc, char **argv)
{
    const char *text = argc > 2 ? argv[2] : "x";
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return print_outcome("write", argv[1], errno, -1);
    ssize_t n = write(fd, text, strlen(text));
    int err = n < 0 ? errno : 0;
    close(fd);
    return print_outcome("write", argv[1], err, n);
}

// open PATH [rw]: read-only unless rw is given.
static int act_open(int argc, char **argv)
{
    int fd = open(argv[1], (argc > 2 ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    int err = fd < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return print_outcome("open", argv[1], err, fd < 0 ? -1 : 0);
}

// read PATH...: prints {"path":..., "text":..., "errno":...} for each (64 KiB at most).
static int act_read(int argc, char **argv)
{
    static char text[65536];
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        int err = n < 0 ? errno : 0;
        text[n < 0 ? 0 : n] = '\0';
        if (fd >= 0)
            close(fd);
        json_object(NULL);
        json_string("path", argv[i]);
        json_string("text", n < 0 ? NULL : text);
        json_string("errno", err ? errno_name(err) : NULL);
        json_end();
        json_line();
    }
    return 0;
}

// sysctl KEY...: reads /proc/sys/KEY with dots as separators.
static int act_sysctl(int argc, char **argv)
{
    char paths[32][256];
    char *list[33] = {argv[0]};
    int count = argc > 33 ? 33 : argc;
    for (int i = 1; i < count; i++) {
        snprintf(paths[i - 1], sizeof(paths[0]), "/proc/sys/%s", argv[i]);
        for (char *c = paths[i - 1] + 10; *c; c++)
            if (*c == '.')
                *c = '/';
        list[i] = paths[i - 1];
    }
    return act_read(count, list);
}

static int act_list(int argc, char **argv)
{
    (void)argc;
    DIR *dir = opendir(argv[1]);
    json_object(NULL);
    json_string("path", argv[1]);
    json_string("errno", dir ? NULL : errno_name(errno));
    json_array("names");
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            json_string(NULL, entry->d_name);
    json_end();
    json_end();
    json_line();
    if (dir)
        closedir(dir);
    return 0;
}

// stat PATH...: lstat and statfs facts.
static int act_stat(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;
        struct statfs fs = {0};
        int failed = lstat(argv[i], &st) < 0;
        int err = failed ? errno : 0;
        if (failed)
            memset(&st, 0, sizeof(st));
        statfs(argv[i], &fs);
        json_object(NULL);
        json_string("path", argv[i]);
        json_string("errno", err ? errno_name(err) : NULL);
        json_number("mode", st.st_mode);
        json_number("uid", st.st_uid);
        json_number("gid", st.st_gid);
        json_number("size", st.st_size);
        json_number("major", major(st.st_rdev));
        json_number("minor", minor(st.st_rdev));
        json_number("fsType", (long long)fs.f_type);
        json_end();
        json_line();
    }
    return 0;
}

static int act_mkdir(int argc, char **argv)
{
    (void)argc;
    int result = mkdir(argv[1], 0755);
    return print_outcome("mkdir", argv[1], result < 0 ? errno : 0, result);
}

static int act_unlink(int argc, char **argv)
{
    (void)argc;
    int result = unlink(argv[1]);
    return print_outcome("unlink", argv[1], result < 0 ? errno : 0, result);
}

// mknod PATH c|b|p MAJOR MINOR: makes the node, opens it, removes it; result 1 = made, 2 = made and
// opened.
static int act_mknod(int argc, char **argv)
{
    if (argc < 5)
        return 125;
    mode_t type = argv[2][0] == 'c' ? S_IFCHR : argv[2][0] == 'b' ? S_IFBLK : S_IFIFO;
    if (mknod(argv[1], type | 0600, makedev((unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]))) < 0)
        return print_outcome("mknod", argv[1], errno, -1);
    int fd = open(argv[1], O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int err = fd < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    unlink(argv[1]);
    return print_outcome("mknod", argv[1], err, fd < 0 ? 1 : 2);
}

static int act_chown(int argc, char **argv)
{
    if (argc < 4)
        return 125;
    int result = chown(argv[1], (uid_t)atoi(argv[2]), (gid_t)atoi(argv[3]));
    return print_outcome("chown", argv[1], result < 0 ? errno : 0, result);
}

// mount-tmpfs PATH: shows whether mounting is permitted.
static int act_mount(int argc, char **argv)
{
    (void)argc;
    int result = mount("tmpfs", argv[1], "tmpfs", 0, "");
    return print_outcome("mount-tmpfs", argv[1], result < 0 ? errno : 0, result);
}

// wait-file PATH: returns when the path exists (30 s at most).
static int act_wait_file(int argc, char **argv)
{
    (void)argc;
    for (int i = 0; i < 3000; i++) {
        if (access(argv[1], F_OK) == 0)
            return 0;
        usleep(10000);
    }
    return 124;
}

const struct probe_command file_actions[] = {
    {"write", act_write, "write PATH [TEXT]"},
    {"open", act_open, "open PATH [rw]"},
    {"read", act_read, "read PATH..."},
    {"sysctl", act_sysctl, "sysctl KEY..."},
    {"list", act_list, "list DIR"},
    {"stat", act_stat, "stat PATH..."},
    {"mkdir", act_mkdir, "mkdir PATH"},
    {"unlink", act_unlink, "unlink PATH"},
    {"mknod", act_mknod, "mknod PATH c|b|p MAJOR MINOR"},
    {"chown", act_chown, "chown PATH UID GID"},
    {"mount-tmpfs", act_mount, "mount-tmpfs PATH"},
    {"wait-file", act_wait_file, "wait-file PATH"},
    {NULL, NULL, NULL},
};
