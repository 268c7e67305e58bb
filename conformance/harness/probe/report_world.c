// Reports what surrounds the process: descriptors, mounts, namespaces, cgroups, devices, terminal.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "json.h"
#include "probe.h"

void report_fds(void)
{
    char link[64], target[4096];
    json_array("fds");
    // Probing numbers instead of reading /proc/self/fd: works without /proc and opens nothing
    // itself.
    for (int fd = 0; fd < 4096; fd++) {
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0)
            continue;
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof(target) - 1);
        target[n < 0 ? 0 : n] = '\0';
        json_object(NULL);
        json_number("fd", fd);
        json_string("target", target);
        json_bool("nonblock", flags & O_NONBLOCK);
        json_bool("cloexec", fcntl(fd, F_GETFD) & FD_CLOEXEC);
        json_end();
    }
    json_end();
}

// One line of mountinfo: "36 35 98:0 /root /target opts [shared:1 ...] - type source super".
static void put_mount(char *line)
{
    static const char *const keys[] = {"id", "parent", "device", "root", "target", "options"};
    char *rest = line;
    json_object(NULL);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char *word = strsep(&rest, " ");
        json_string(keys[i], word ? word : "");
    }
    json_array("propagation");
    char *word;
    while ((word = strsep(&rest, " ")) && strcmp(word, "-") != 0)
        json_string(NULL, word);
    json_end();
    word = strsep(&rest, " ");
    json_string("type", word ? word : "");
    word = strsep(&rest, " ");
    json_string("source", word ? word : "");
    json_string("superOptions", rest ? rest : "");
    json_end();
}

static void each_line(const char *path, void (*put)(char *line))
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    if (!file)
        return;
    while ((n = getline(&line, &size, file)) > 0) {
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        put(line);
    }
    free(line);
    fclose(file);
}

void report_mounts(void)
{
    json_array("mounts");
    each_line("/proc/self/mountinfo", put_mount);
    json_end();
}

void report_namespaces(void)
{
    static const char *const names[] = {"cgroup", "ipc",  "mnt",  "net",
                                        "pid",    "time", "user", "uts"};
    char path[64], target[128];
    json_object("namespaces");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        target[n < 0 ? 0 : n] = '\0';
        json_string(names[i], target);
    }
    json_end();
}

static void put_line(char *line)
{
    json_string(NULL, line);
}

void report_cgroup(void)
{
    json_array("cgroup");
    each_line("/proc/self/cgroup", put_line);
    json_end();
    json_array("uidMap");
    each_line("/proc/self/uid_map", put_line);
    json_end();
    json_array("gidMap");
    each_line("/proc/self/gid_map", put_line);
    json_end();
}

static const char *type_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFCHR:
        return "char";
    case S_IFBLK:
        return "block";
    case S_IFDIR:
        return "dir";
    case S_IFLNK:
        return "link";
    case S_IFIFO:
        return "fifo";
    case S_IFREG:
        return "file";
    default:
        return "other";
    }
}

void report_dev(void)
{
    DIR *dir = opendir("/dev");
    json_array("dev");
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        struct stat st;
        char target[256];
        if (entry->d_name[0] == '.' ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        json_object(NULL);
        json_string("name", entry->d_name);
        json_string("type", type_name(st.st_mode));
        json_number("mode", st.st_mode & 07777);
        json_number("uid", st.st_uid);
        json_number("gid", st.st_gid);
        json_number("major", major(st.st_rdev));
        json_number("minor", minor(st.st_rdev));
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
        target[n < 0 ? 0 : n] = '\0';
        json_string("link", target);
        json_end();
    }
    if (dir)
        closedir(dir);
    json_end();
}

void report_tty(void)
{
    struct winsize size = {0};
    char name[64] = "";
    json_object("tty");
    json_array("isatty");
    for (int fd = 0; fd < 3; fd++)
        json_bool(NULL, isatty(fd));
    json_end();
    ioctl(0, TIOCGWINSZ, &size);
    json_number("rows", size.ws_row);
    json_number("cols", size.ws_col);
    ttyname_r(0, name, sizeof(name));
    json_string("name", name);
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    json_bool("controlling", fd >= 0);
    json_number("foreground", fd >= 0 ? tcgetpgrp(fd) : -1);
    if (fd >= 0)
        close(fd);
    json_end();
}

static const struct {
    const char *name;
    report_section print;
} sections[] = {
    {"identity", report_identity},
    {"caps", report_caps},
    {"rlimits", report_rlimits},
    {"fds", report_fds},
    {"signals", report_signals},
    {"mounts", report_mounts},
    {"namespaces", report_namespaces},
    {"cgroup", report_cgroup},
    {"dev", report_dev},
    {"tty", report_tty},
    {"sched", report_sched},
};

int action_report(int argc, char **argv)
{
    json_object(NULL);
    for (size_t s = 0; s < sizeof(sections) / sizeof(sections[0]); s++) {
        int wanted = argc == 0;
        for (int i = 0; i < argc; i++)
            wanted |= strcmp(argv[i], sections[s].name) == 0;
        if (wanted)
            sections[s].print();
    }
    json_end();
    json_line();
    return 0;
}
