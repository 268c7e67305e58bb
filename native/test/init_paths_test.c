/* Paths inside a root whose image is hostile: nothing may be made, opened or waited for outside of it. */
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "start_init.h"

static struct init init;
static char base[] = "/tmp/init_paths_test.XXXXXX";
static char root_path[64], outside_path[64];

/* In the root, without any care: what an image would hold. */
static void link_in_root(const char *target, const char *path) {
    CHECK(symlinkat(target, init.root_fd, path) == 0);
}

static void make_in_root(const char *path) {
    CHECK(mkdirat(init.root_fd, path, 0755) == 0);
}

static bool is_same(int fd, const char *path) {
    struct stat a, b;
    CHECK(fstat(fd, &a) == 0);
    return fstatat(init.root_fd, path, &b, 0) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Makes `path` as a directory and checks that it is what `real` names, links being none. */
static void makes_directory(const char *path, const char *real) {
    int fd = make_directories(&init, path, 0755, false);
    CHECK(fd >= 0);
    CHECK(is_same(fd, real));
    close(fd);
}

static void makes_file(const char *path, const char *real) {
    int fd = make_file(&init, path);
    CHECK(fd >= 0);
    CHECK(is_same(fd, real));
    close(fd);
}

static void refuses_directory(const char *path, int error) {
    int result = make_directories(&init, path, 0755, false);
    if (result != -error)
        fprintf(stderr, "%.40s: %d\n", path, result);
    CHECK(result == -error);
    CHECK(init.step != NULL);
}

static void test_plain(void) {
    makes_directory("/", ".");
    makes_directory("/a/b/c", "a/b/c");
    makes_directory("//a///b/./c/", "a/b/c");
    makes_directory("/a/../a/b/../b/d", "a/b/d");
    makes_directory("relative/x", "relative/x");
    makes_directory("/../../../up", "up");
    makes_file("/etc/hosts", "etc/hosts");
    makes_file("/etc/hosts", "etc/hosts");
    refuses_directory("/etc/hosts/x", ENOTDIR);
    refuses_directory("/etc/hosts", ENOTDIR);
    makes_file("/a/b", "a/b"); /* there already, as a directory: move_mount says that it does not fit */
}

static void test_links_out(void) {
    link_in_root(outside_path, "absolute");
    link_in_root("../../../../../../../../..", "dots");
    link_in_root("a/b", "inner");
    makes_directory("/inner/through", "a/b/through");
    makes_directory("/dots/etc/x", "etc/x");
    /* dangling inside the root, and so made there, whatever lies outside by that name */
    int fd = make_directories(&init, "/absolute/made", 0755, false);
    CHECK(fd >= 0);
    char inside[128];
    snprintf(inside, sizeof inside, "%s/made", outside_path + 1);
    CHECK(is_same(fd, inside));
    close(fd);
    CHECK(make_directories(&init, "/inner/through", 0755, true) == -ELOOP);
    CHECK(make_directories(&init, "/inner/new", 0755, true) == -ELOOP);
}

static void test_dangling(void) {
    make_in_root("var");
    link_in_root("/run", "var/run");
    makes_directory("/var/run/lock", "run/lock");
    link_in_root("../run/resolve/stub.conf", "etc/resolv.conf");
    makes_file("/etc/resolv.conf", "run/resolve/stub.conf");
    link_in_root("second", "first");
    link_in_root("third/deep", "second");
    makes_directory("/first/x", "third/deep/x");
    link_in_root("one/./two/../file", "odd");
    makes_file("/odd", "one/file");
}

static void test_loops(void) {
    link_in_root("loop-b", "loop-a");
    link_in_root("loop-a", "loop-b");
    link_in_root("self", "self");
    refuses_directory("/loop-a", ELOOP);
    refuses_directory("/loop-a/x", ELOOP);
    refuses_directory("/self/x", ELOOP);
    CHECK(make_file(&init, "/self") == -ELOOP);
    /* links that grow: each is dangling by way of the next */
    for (int i = 0; i < 60; i++) {
        char name[32], target[32];
        snprintf(name, sizeof name, "chain-%d", i);
        snprintf(target, sizeof target, "chain-%d", i + 1);
        link_in_root(target, name);
    }
    CHECK(make_file(&init, "/chain-0") == -ELOOP);
    CHECK(make_directories(&init, "/chain-0", 0755, false) == -ELOOP);
    makes_directory("/chain-40", "chain-60");
}

/* Every length around the limits of a path and of a name. */
static void test_lengths(void) {
    static char path[3 * PATH_MAX];
    for (size_t length = PATH_MAX - 4; length < PATH_MAX + 4; length++) {
        for (int slash = 0; slash < 2; slash++) {
            for (size_t i = 0; i < length; i++)
                path[i] = (i + (size_t)slash) % 128 == 1 ? '/' : 'd';
            if (slash)
                path[0] = '/';
            path[length] = 0;
            int fd = make_directories(&init, path, 0755, false);
            CHECK(fd >= 0 || fd == -ENAMETOOLONG);
            if (fd >= 0)
                close(fd);
            fd = make_file(&init, path);
            CHECK(fd >= 0 || fd == -ENAMETOOLONG);
            if (fd >= 0)
                close(fd);
        }
    }
    memset(path, 'n', NAME_MAX);
    path[NAME_MAX] = 0;
    makes_directory(path, path);
    path[NAME_MAX] = 'n';
    path[NAME_MAX + 1] = 0;
    refuses_directory(path, ENAMETOOLONG);
    memset(path, '/', sizeof path - 1);
    path[sizeof path - 1] = 0;
    refuses_directory(path, ENAMETOOLONG);
}

/* A link of the greatest length, whose rest no longer fits behind it. */
static void test_long_links(void) {
    char target[PATH_MAX];
    memset(target, 'x', sizeof target - 1);
    for (size_t i = 0; i < sizeof target - 1; i += 100)
        target[i] = '/';
    target[sizeof target - 1] = 0;
    link_in_root(target, "long");
    refuses_directory("/long/more", ENAMETOOLONG);
}

/* Opening these would wait, or act on a device; an O_PATH look-up does neither. */
static void test_special_files(void) {
    CHECK(mkfifoat(init.root_fd, "fifo", 0600) == 0);
    makes_file("/fifo", "fifo");
    refuses_directory("/fifo/x", ENOTDIR);
    int fd = open_in_root(&init, "/fifo", O_PATH, false);
    CHECK(fd >= 0);
    int again = open_again(&init, fd, O_RDONLY | O_NONBLOCK);
    CHECK(again >= 0 && is_same(again, "fifo"));
    close(again);
    close(fd);
}

/* Somebody swaps a directory for a link out while paths through it are made. */
static void test_races(void) {
    make_in_root("swap");
    link_in_root(outside_path, "swap-link");
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        for (;;)
            syscall(SYS_renameat2, init.root_fd, "swap", init.root_fd, "swap-link", 2);
    }
    for (int i = 0; i < 3000; i++) {
        char path[64];
        snprintf(path, sizeof path, "/swap/race-%d/deep", i);
        int fd = make_directories(&init, path, 0755, false);
        if (fd >= 0)
            close(fd);
        snprintf(path, sizeof path, "/swap/file-%d", i);
        fd = make_file(&init, path);
        if (fd >= 0)
            close(fd);
    }
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(waitpid(pid, NULL, 0) == pid);
}

static bool is_empty(const char *path) {
    DIR *dir = opendir(path);
    CHECK(dir != NULL);
    int count = 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count == 2;
}

int main(void) {
    alarm(60); /* nothing here may wait */
    umask(022);
    start_init(&init);
    CHECK(mkdtemp(base) != NULL);
    snprintf(root_path, sizeof root_path, "%s/root", base);
    snprintf(outside_path, sizeof outside_path, "%s/outside", base);
    CHECK(mkdir(root_path, 0755) == 0 && mkdir(outside_path, 0755) == 0);
    init.root_fd = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(init.root_fd >= 0);
    int fds = count_fds();
    test_plain();
    test_links_out();
    test_dangling();
    test_loops();
    test_lengths();
    test_long_links();
    test_special_files();
    test_races();
    CHECK(count_fds() == fds);
    CHECK(is_empty(outside_path));
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", base);
    CHECK(system(command) == 0);
    puts("init_paths_test: ok");
    return 0;
}
