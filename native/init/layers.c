/* Names overlayfs' directories one by one, and by descriptors where a single name is too long. */
#include "layers.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "sys.h"

#define MAX_VALUE 255

bool is_long_layer_option(const char *option) {
    const char *value = strchr(option, '=');
    return value != NULL && strlen(value + 1) > MAX_VALUE &&
           (strncmp(option, "lowerdir=", 9) == 0 || strncmp(option, "upperdir=", 9) == 0 ||
            strncmp(option, "workdir=", 8) == 0);
}

void close_layers(struct layers *layers) {
    while (layers->count > 0)
        close(layers->fds[--layers->count]);
}

/* Writes a name for the directory that has room in a value: `name` is of MAX_VALUE + 1 bytes. */
static int short_name(struct init *c, struct layers *layers, const char *path, bool always,
                      char *name) {
    size_t length = strlen(path);
    if (!always && length <= MAX_VALUE) {
        memcpy(name, path, length + 1);
        return 0;
    }
    if (layers->count == sizeof layers->fds / sizeof layers->fds[0])
        return refused(c, "overlay layers", E2BIG);
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        set_detail(c, path, NULL);
        return failed(c, "open");
    }
    layers->fds[layers->count++] = fd;
    snprintf(name, MAX_VALUE + 1, "/proc/self/fd/%d", fd);
    return 0;
}

/* The next directory of a lowerdir list, unescaped; NULL at its end. `is_data`: it is behind a `::`. */
static const char *next_layer(const char *list, char *path, size_t size, bool *is_data) {
    size_t used = 0;
    if (*list == 0)
        return NULL;
    for (; *list != 0 && *list != ':'; list++) {
        if (*list == '\\' && list[1] != 0)
            list++;
        if (used + 1 < size)
            path[used++] = *list;
    }
    path[used] = 0;
    if (list[0] == ':' && list[1] == ':') {
        *is_data = true;
        return list + 2;
    }
    return *list == ':' ? list + 1 : list;
}

/* One list of short names, for about fourteen layers; -E2BIG when there are more. */
static int join_layers(struct init *c, struct layers *layers, const char *list) {
    char path[PATH_MAX], name[MAX_VALUE + 1], joined[MAX_VALUE + 1];
    size_t used = 0;
    bool is_data = false;
    for (;;) {
        const char *separator = used == 0 ? "" : is_data ? "::" : ":";
        list = next_layer(list, path, sizeof path, &is_data);
        if (list == NULL)
            break;
        int result = short_name(c, layers, path, true, name);
        if (result < 0)
            return result;
        size_t added = strlen(separator) + strlen(name);
        if (used + added > MAX_VALUE)
            return refused(c, "overlay layers", E2BIG);
        stpcpy(stpcpy(joined + used, separator), name);
        used += added;
    }
    return configure(c, layers->context, FSCONFIG_SET_STRING, "lowerdir", joined);
}

/* Any number of layers, one at a time: Linux 6.7. Older ones end with EINVAL, now or when the file system is made. */
static int append_layers(struct init *c, struct layers *layers, const char *list) {
    char path[PATH_MAX], name[MAX_VALUE + 1];
    bool is_data = false;
    for (;;) {
        const char *key = is_data ? "datadir+" : "lowerdir+";
        list = next_layer(list, path, sizeof path, &is_data);
        if (list == NULL)
            return 0;
        int result = short_name(c, layers, path, false, name);
        if (result == 0)
            result = configure(c, layers->context, FSCONFIG_SET_STRING, key, name);
        if (result < 0)
            return result;
    }
}

int set_layers(struct init *c, struct layers *layers, const char *option) {
    char name[MAX_VALUE + 1];
    const char *value = strchr(option, '=') + 1;
    if (strncmp(option, "lowerdir=", 9) == 0) {
        int result = join_layers(c, layers, value);
        if (result != -E2BIG)
            return result;
        close_layers(layers);
        return append_layers(c, layers, value);
    }
    const char *key = option[0] == 'u' ? "upperdir" : "workdir";
    int result = short_name(c, layers, value, true, name);
    return result < 0 ? result : configure(c, layers->context, FSCONFIG_SET_STRING, key, name);
}
