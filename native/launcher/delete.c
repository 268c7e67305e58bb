/*
 * `delete` where nothing is left of the container, as at the end of each that went as it should: only looks. What
 * there is to remove, the engine removes (shim/bootstrap/delete.ts).
 */
#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../core/scoped_fd.h"
#include "../core/socket.h"

#define TEXT_MAX 4096
#define STATE_ROOT "/run/containerd/runc"
/* 128 + SIGKILL */
#define EXIT_STATUS 137

#ifndef UMOUNT_NOFOLLOW
#define UMOUNT_NOFOLLOW 8
#endif

static bool join(char path[TEXT_MAX], const char *dir, const char *name)
{
    int length = snprintf(path, TEXT_MAX, "%s/%s", dir, name);
    return length > 0 && length < TEXT_MAX;
}

/* The bundle of this id beside the given one, or beside the working directory. */
static bool bundle_of(const struct flags *flags, char bundle[TEXT_MAX])
{
    char cwd[TEXT_MAX];
    const char *own = flags->bundle;
    if (own[0] == '\0') {
        own = getcwd(cwd, sizeof cwd);
        if (own == NULL || own[0] != '/')
            return false;
    }
    int parent = (int)(strrchr(own, '/') - own);
    int length = snprintf(bundle, TEXT_MAX, "%.*s/%s", parent, own, flags->id);
    return length > 0 && length < TEXT_MAX;
}

/* Is there no state? options.json says where it would be. */
static bool has_no_state(const struct flags *flags, const char *bundle)
{
    static const char key[] = "\"root\":\"";
    char path[TEXT_MAX];
    static char options[16 * 1024];
    const char *root = STATE_ROOT;
    if (!join(path, bundle, "options.json"))
        return false;
    long length = read_file(path, options, sizeof options - 1);
    if (length < 0 && errno != ENOENT)
        return false;
    if (length >= 0) {
        options[length] = '\0';
        char *value = strstr(options, key);
        if (value == NULL)
            return false;
        value += sizeof key - 1;
        size_t size = strcspn(value, "\"\\");
        if (value[size] != '"')
            return false;
        value[size] = '\0';
        if (size > 0)
            root = value;
    }
    int size = snprintf(path, sizeof path, "%s/%s/%s", root, flags->namespace, flags->id);
    struct stat info;
    return size < (int)sizeof path && lstat(path, &info) != 0 && errno == ENOENT;
}

static bool is_empty(const char *directory)
{
    DIR *stream = opendir(directory);
    if (stream == NULL)
        return false;
    size_t entries = 0;
    while (readdir(stream) != NULL)
        entries++;
    closedir(stream);
    return entries == 2;
}

/* Is nothing mounted on the root file system? */
static bool has_no_mounts(const char *bundle)
{
    char rootfs[TEXT_MAX];
    struct stat own;
    struct stat parent;
    if (!join(rootfs, bundle, "rootfs"))
        return false;
    if (lstat(rootfs, &own) != 0)
        return errno == ENOENT;
    if (!S_ISDIR(own.st_mode) || stat(bundle, &parent) != 0 || own.st_dev != parent.st_dev ||
        !is_empty(rootfs))
        return false;
    /* an empty directory of the same file system, bound there, shows in nothing else */
    return umount2(rootfs, UMOUNT_NOFOLLOW) != 0 && errno == EINVAL;
}

/* Is there no socket whose shim has died? */
static bool has_no_dead_socket(const char *bundle)
{
    char path[TEXT_MAX];
    char address[TEXT_MAX];
    if (!join(path, bundle, "address"))
        return false;
    long length = read_file(path, address, sizeof address - 1);
    if (length < 0)
        return errno == ENOENT;
    address[length] = '\0';
    const char *socket = strncmp(address, "unix://", 7) == 0 ? address + 7 : address;
    struct stat info;
    if (lstat(socket, &info) != 0)
        return errno == ENOENT;
    struct tsr_error error;
    return tsr_socket_is_listening(socket, &error) == 1;
}

static uint32_t init_pid(const char *bundle)
{
    char path[TEXT_MAX];
    char text[16];
    if (!join(path, bundle, "init.pid"))
        return 0;
    long length = read_file(path, text, sizeof text - 1);
    if (length < 0)
        return 0;
    text[length] = '\0';
    return strspn(text, "0123456789") == (size_t)length ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static uint8_t *put_field(uint8_t *at, unsigned number, uint64_t value)
{
    if (value == 0)
        return at;
    *at++ = (uint8_t)(number << 3);
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

/* containerd.task.v2.DeleteResponse */
static bool answer(uint32_t pid)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint8_t timestamp[24];
    uint8_t *end = put_field(timestamp, 1, (uint64_t)now.tv_sec);
    end = put_field(end, 2, (uint64_t)now.tv_nsec);
    uint8_t message[48];
    uint8_t *at = put_field(message, 1, pid);
    at = put_field(at, 2, EXIT_STATUS);
    *at++ = 3 << 3 | 2;
    *at++ = (uint8_t)(end - timestamp);
    memcpy(at, timestamp, (size_t)(end - timestamp));
    at += end - timestamp;
    return write_all(STDOUT_FILENO, message, (size_t)(at - message));
}

bool fast_delete(const struct flags *flags)
{
    char bundle[TEXT_MAX];
    return bundle_of(flags, bundle) && has_no_state(flags, bundle) && has_no_mounts(bundle) &&
           has_no_dead_socket(bundle) && answer(init_pid(bundle));
}
