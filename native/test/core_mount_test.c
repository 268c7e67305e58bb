/*
 * Mounts in a mount namespace of the test's own, by both ways: what they need of memory and fds, whatever the length
 * and number of options, and that failures leave nothing mounted. Each runs on a thread, as in the addon.
 */
#define _GNU_SOURCE
#include <linux/mount.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../core/mount_api.h"
#include "check.h"

#define LAYERS 200

static char root[] = "/tmp/core-mount-XXXXXX";
static struct tsr_mount_failure failure;
static char *none[] = {NULL};
static char *layers[LAYERS + 1];

static void *run_mount(void *request)
{
    return (void *)(intptr_t)tsr_mount(request, &failure);
}

static void *run_unmount(void *below)
{
    return (void *)(intptr_t)tsr_unmount(root, below, 0, true, &failure);
}

static int on_thread(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    void *result;
    CHECK(pthread_create(&thread, NULL, run, argument) == 0);
    CHECK(pthread_join(thread, &result) == 0);
    return (int)(intptr_t)result;
}

static struct tsr_mount_request request_for(const char *type, bool classic)
{
    return (struct tsr_mount_request){
        .root = root,
        .target = "",
        .type = type,
        .source = type,
        .options = none,
        .super_flags = none,
        .layers = none,
        .data_layers = none,
        .uid_map = "",
        .gid_map = "",
        .classic = classic,
    };
}

static void expect_mounted(const char *below, int count)
{
    CHECK(on_thread(run_unmount, (void *)below) == count);
}

static void check_tmpfs(bool classic)
{
    char *options[] = {"size=1m", "mode=711", NULL};
    char *flags[] = {"dirsync", NULL};
    const int propagation[] = {MS_PRIVATE, MS_SHARED};
    struct tsr_mount_request request = request_for("tmpfs", classic);
    request.options = options;
    request.super_flags = flags;
    request.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME;
    request.propagation = propagation;
    request.npropagation = 2;
    CHECK(on_thread(run_mount, &request) == 0);
    CHECK(on_thread(run_mount, &request) == 0);
    expect_mounted("", 2);
    expect_mounted("", 0);
}

static void check_overlay(bool classic, const char *uid_map)
{
    struct tsr_mount_request request = request_for("overlay", classic);
    request.layers = layers;
    request.uid_map = request.gid_map = uid_map;
    CHECK(on_thread(run_mount, &request) == 0);
    struct stat stats;
    char path[64];
    snprintf(path, sizeof path, "%s/file-%d", root, LAYERS - 1);
    CHECK(stat(path, &stats) == 0);
    CHECK(stats.st_uid == (uid_map[0] == 0 ? 0 : 70000));
    expect_mounted("", 1);
}

static void check_failures(bool classic)
{
    char *missing[] = {"/", "/nowhere", NULL};
    struct tsr_mount_request request = request_for("overlay", classic);
    request.layers = missing;
    CHECK(on_thread(run_mount, &request) == -1 && failure.error.number == ENOENT);
    request.uid_map = request.gid_map = "0 70000 1";
    CHECK(on_thread(run_mount, &request) == -1 && failure.error.number == ENOENT);
    request.uid_map = "nonsense";
    CHECK(on_thread(run_mount, &request) == -1 && failure.error.number == EINVAL);

    char *long_option = malloc(9000);
    CHECK(long_option != NULL);
    memset(long_option, 'a', 9000);
    long_option[8999] = 0;
    char *options[] = {long_option, NULL};
    request = request_for("tmpfs", classic);
    request.options = options;
    CHECK(on_thread(run_mount, &request) == -1 && failure.error.number == E2BIG);
    long_option[200] = '=';
    CHECK(on_thread(run_mount, &request) == -1 && failure.error.number == E2BIG);
    free(long_option);
    request = request_for("tmpfs", classic);
    request.target = "no/such/place";
    CHECK(on_thread(run_mount, &request) == -1 && failure.error.number == ENOENT);
    expect_mounted("", 0);
}

static void make_layers(const char *directory)
{
    char filler[201];
    memset(filler, 'x', sizeof filler - 1);
    filler[sizeof filler - 1] = 0;
    for (int index = 0; index < LAYERS; index++) {
        char *path = NULL;
        char file[600];
        CHECK(asprintf(&path, "%s/%s-%d", directory, filler, index) > 0);
        CHECK(mkdir(path, 0755) == 0);
        CHECK(asprintf(&layers[index], "%s/%s-%d", path, filler, index) > 0);
        CHECK(mkdir(layers[index], 0755) == 0);
        snprintf(file, sizeof file, "%s/file-%d", layers[index], index);
        FILE *made = fopen(file, "w");
        CHECK(made != NULL && fclose(made) == 0);
        free(path);
    }
}

int main(void)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0) {
        puts("skipped: mounting needs root");
        return 0;
    }
    CHECK(syscall(SYS_mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    CHECK(mkdtemp(root) != NULL);
    /* what is made for the test lies on a file system that ends with it */
    char directory[] = "/tmp/core-mount-layers-XXXXXX";
    CHECK(mkdtemp(directory) != NULL);
    CHECK(syscall(SYS_mount, "none", directory, "tmpfs", 0, NULL) == 0);
    make_layers(directory);

    const int fds = count_fds();
    for (int classic = 0; classic < 2; classic++) {
        check_tmpfs(classic);
        check_overlay(classic, "");
        check_overlay(classic, "0 70000 65536");
        check_failures(classic);
    }
    CHECK(count_fds() == fds);

    for (int index = 0; index < LAYERS; index++)
        free(layers[index]);
    CHECK(syscall(SYS_umount2, directory, 0) == 0);
    CHECK(rmdir(directory) == 0 && rmdir(root) == 0);
    return 0;
}
