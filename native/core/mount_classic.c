/* mount(2): one string of options, attributes as flags, later changes as remounts. */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "mount_api.h"
#include "mount_calls.h"
#include "scoped_fd.h"

struct flag {
    const char *name;
    uint64_t attribute;
    unsigned long status; /* in statvfs */
    unsigned long set;
};

static const struct flag flags_of_attributes[] = {
    {"ro", MOUNT_ATTR_RDONLY, ST_RDONLY, MS_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, ST_NOSUID, MS_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, ST_NODEV, MS_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, ST_NOEXEC, MS_NOEXEC},
    {"noatime", MOUNT_ATTR_NOATIME, ST_NOATIME, MS_NOATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, 0, MS_STRICTATIME},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, ST_NODIRATIME, MS_NODIRATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0x2000, MS_NOSYMFOLLOW},
    {"relatime", 0, ST_RELATIME, MS_RELATIME},
};
#define ATTRIBUTES (sizeof flags_of_attributes / sizeof flags_of_attributes[0])

static const struct flag flags_of_names[] = {
    {"sync", 0, 0, MS_SYNCHRONOUS},
    {"dirsync", 0, 0, MS_DIRSYNC},
    {"mand", 0, 0, MS_MANDLOCK},
    {"lazytime", 0, 0, MS_LAZYTIME},
};
#define NAMES (sizeof flags_of_names / sizeof flags_of_names[0])

static unsigned long attribute_flags(uint64_t attributes)
{
    unsigned long flags = 0;
    for (size_t index = 0; index < ATTRIBUTES; index++) {
        if ((attributes & flags_of_attributes[index].attribute) != 0)
            flags |= flags_of_attributes[index].set;
    }
    return flags;
}

static unsigned long super_flags(char *const *names)
{
    unsigned long flags = 0;
    for (; *names != NULL; names++) {
        for (size_t index = 0; index < NAMES; index++) {
            if (strcmp(*names, flags_of_names[index].name) == 0)
                flags |= flags_of_names[index].set;
        }
    }
    return flags;
}

/* The option string: mount(2) takes a page of it, with its NUL. */
struct data {
    char *text;
    size_t size, used;
};

static void add(struct data *data, const char *separator, const char *text)
{
    const size_t length = strlen(separator) + strlen(text);
    if (data->used + length < data->size)
        sprintf(data->text + data->used, "%s%s", separator, text);
    data->used += length;
}

/* Labels with categories have commas: `context="system_u:object_r:container_file_t:s0:c1,c2"`. */
static void add_option(struct data *data, const char *option)
{
    const char *value = strchr(option, '=');
    const char *separator = data->used == 0 ? "" : ",";
    if (value == NULL || strchr(value, ',') == NULL || strstr(option, "context=") == NULL) {
        add(data, separator, option);
        return;
    }
    char key[64];
    snprintf(key, sizeof key, "%.*s", (int)(value - option + 1), option);
    add(data, separator, key);
    add(data, "\"", value + 1);
    add(data, "\"", "");
}

static void add_layers(struct data *data, const struct tsr_mount_request *request)
{
    const char *separator = data->used == 0 ? "lowerdir=" : ",lowerdir=";
    if (request->layers[0] == NULL)
        return;
    for (char *const *layer = request->layers; *layer != NULL; layer++) {
        add(data, separator, *layer);
        separator = ":";
    }
    for (char *const *layer = request->data_layers; *layer != NULL; layer++)
        add(data, "::", *layer);
}

static size_t count(char *const *list)
{
    size_t number = 0;
    while (list[number] != NULL)
        number++;
    return number;
}

static bool is_plain(char *const *layers)
{
    for (; *layers != NULL; layers++) {
        if (strpbrk(*layers, ":,\\") != NULL)
            return false;
    }
    return true;
}

/* Directories open under numbers, which are names in /proc/self/fd: as short as can be, nothing to escape. */
struct numbered {
    int *fds;
    char (*names)[12];
    char **list;
    size_t count;
};

static void close_numbered(struct numbered *numbered)
{
    for (size_t index = 0; index < numbered->count; index++)
        close(numbered->fds[index]);
    free(numbered->fds);
    free(numbered->names);
    free(numbered->list);
}

static int open_numbered(struct numbered *numbered, char *const *layers,
                         struct tsr_mount_failure *failure)
{
    const size_t number = count(layers);
    numbered->fds = calloc(number + 1, sizeof *numbered->fds);
    numbered->names = calloc(number + 1, sizeof *numbered->names);
    numbered->list = calloc(number + 1, sizeof *numbered->list);
    numbered->count = 0;
    if (numbered->fds == NULL || numbered->names == NULL || numbered->list == NULL)
        return tsr_mount_failed(failure, "calloc");
    for (size_t index = 0; index < number; index++) {
        const int fd = open(layers[index], O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) {
            snprintf(failure->detail, sizeof failure->detail, "layer %s", layers[index]);
            return tsr_mount_failed(failure, "open");
        }
        numbered->fds[numbered->count++] = fd;
        snprintf(numbered->names[index], sizeof numbered->names[index], "%d", fd);
        numbered->list[index] = numbered->names[index];
    }
    return 0;
}

static int mount_data(const struct tsr_mount_request *request, const char *source,
                      const char *place, const struct data *data,
                      struct tsr_mount_failure *failure)
{
    const unsigned long flags = attribute_flags(request->set) | super_flags(request->super_flags) |
                                (request->kind == TSR_MOUNT_REMOUNT ? MS_REMOUNT : 0);
    if (data->used >= data->size) {
        snprintf(failure->detail, sizeof failure->detail, "options of %zu bytes exceed a page",
                 data->used);
        return tsr_fail_with(&failure->error, E2BIG, "mount");
    }
    return sys_mount(source, place, request->type, flags, data->text) == 0
               ? 0
               : tsr_mount_failed(failure, "mount");
}

static int mount_numbered(const struct tsr_mount_request *request, const char *source,
                          const char *place, struct data *data, struct tsr_mount_failure *failure)
{
    struct numbered layers, data_layers = {.count = 0};
    int result = open_numbered(&layers, request->layers, failure);
    if (result == 0)
        result = open_numbered(&data_layers, request->data_layers, failure);
    if (result == 0 && (unshare(CLONE_FS) != 0 || chdir("/proc/self/fd") != 0))
        result = tsr_mount_failed(failure, "chdir");
    if (result == 0) {
        struct tsr_mount_request numbered = *request;
        numbered.layers = layers.list;
        numbered.data_layers = data_layers.list;
        add_layers(data, &numbered);
        result = mount_data(request, source, place, data, failure);
    }
    close_numbered(&layers);
    close_numbered(&data_layers);
    return result;
}

bool tsr_is_short(const struct tsr_mount_request *request)
{
    struct data data = {.text = NULL, .size = 0, .used = 0};
    for (char *const *option = request->options; *option != NULL; option++)
        add_option(&data, *option);
    add_layers(&data, request);
    return data.used < (size_t)sysconf(_SC_PAGESIZE) && is_plain(request->layers) &&
           is_plain(request->data_layers);
}

static int mount_new(const struct tsr_mount_request *request, const char *source, const char *place,
                     struct tsr_mount_failure *failure)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct data data = {.text = calloc(1, page), .size = page, .used = 0};
    if (data.text == NULL)
        return tsr_mount_failed(failure, "calloc");
    for (char *const *option = request->options; *option != NULL; option++)
        add_option(&data, *option);
    int result;
    if (tsr_is_short(request)) {
        add_layers(&data, request);
        result = mount_data(request, source, place, &data, failure);
    } else {
        result = mount_numbered(request, source, place, &data, failure);
    }
    free(data.text);
    return result;
}

/* The attributes that a bind brought along stay: inside a user namespace they may be locked. */
static int remount_bound(const struct tsr_mount_request *request, const char *mounted,
                         struct tsr_mount_failure *failure)
{
    unsigned long flags = attribute_flags(request->set) | MS_REMOUNT | MS_BIND;
    struct statvfs stats;
    if (statvfs(mounted, &stats) != 0)
        return tsr_mount_failed(failure, "statvfs");
    for (size_t index = 0; index < ATTRIBUTES; index++) {
        const struct flag *flag = &flags_of_attributes[index];
        const bool cleared = (request->clear & flag->attribute) != 0;
        if ((stats.f_flag & flag->status) != 0 && !cleared)
            flags |= flag->set;
    }
    if (sys_mount(NULL, mounted, NULL, flags, NULL) != 0)
        return tsr_mount_failed(failure, "mount");
    return 0;
}

static int change(const struct tsr_mount_request *request, const char *mounted,
                  struct tsr_mount_failure *failure)
{
    const bool bind = request->kind == TSR_MOUNT_BIND || request->kind == TSR_MOUNT_RBIND;
    if (bind && (request->set | request->clear) != 0 &&
        remount_bound(request, mounted, failure) != 0)
        return -1;
    for (size_t index = 0; index < request->npropagation; index++) {
        if (sys_mount(NULL, mounted, NULL, (unsigned long)request->propagation[index], NULL) != 0)
            return tsr_mount_failed(failure, "mount");
    }
    return 0;
}

int tsr_mount_classic(const struct tsr_mount_request *request, const char *source, int target,
                      struct tsr_mount_failure *failure)
{
    char place[64];
    snprintf(place, sizeof place, "/proc/self/fd/%d", target);
    if (request->kind == TSR_MOUNT_REMOUNT)
        return mount_new(request, source, place, failure);
    if (request->kind == TSR_MOUNT_NEW) {
        if (mount_new(request, source, place, failure) != 0)
            return -1;
    } else {
        const unsigned long below = request->kind == TSR_MOUNT_RBIND ? MS_REC : 0;
        if (sys_mount(source, place, NULL, MS_BIND | below, NULL) != 0)
            return tsr_mount_failed(failure, "mount");
    }
    /* The place is under the new mount now: that one is looked up anew. */
    TSR_SCOPED_FD int mounted = tsr_open_beneath(request->root, request->target, &failure->error);
    if (mounted < 0)
        return -1;
    snprintf(place, sizeof place, "/proc/self/fd/%d", mounted);
    if (change(request, place, failure) == 0)
        return 0;
    sys_umount2(place, TSR_MNT_DETACH);
    return -1;
}
