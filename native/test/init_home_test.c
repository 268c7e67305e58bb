/* HOME out of an image's /etc/passwd: what a line may look like, and what may lie in the file's place. */
#include <sys/mman.h>
#include <sys/stat.h>

#include "start_init.h"

static struct init init;

static bool reads(const char *text, size_t length, uint32_t uid, const char *expected) {
    char home[16] = "none";
    int fd = memfd_create("passwd", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, text, length) == (ssize_t)length && lseek(fd, 0, SEEK_SET) == 0);
    read_home(fd, uid, home, sizeof home);
    if (strcmp(home, expected) != 0)
        fprintf(stderr, "uid %u: %s\n", uid, home);
    return strcmp(home, expected) == 0;
}

static bool is_home(const char *text, uint32_t uid, const char *expected) {
    return reads(text, strlen(text), uid, expected);
}

static void test_lines(void) {
    static const char usual[] = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:\n";
    CHECK(is_home(usual, 0, "/root"));
    CHECK(is_home(usual, 1000, "/home/user"));
    CHECK(is_home(usual, 1, "none"));
    CHECK(is_home("", 0, "none"));
    CHECK(is_home("\n\n:::::::\n", 0, "none"));
    CHECK(is_home("a:x:7:7:g:/h", 7, "/h")); /* neither shell nor newline */
    CHECK(is_home("a:x:7:7:g:\n", 7, "none"));
    CHECK(is_home("a:x:7:7:g\n", 7, "none"));
    CHECK(is_home("a:x:7:7:g::/bin/sh\nb:x:7:7::/b:\n", 7, "/b"));
    CHECK(is_home("a:x:7:7:g:/first:\nb:x:7:7:g:/second:\n", 7, "/first"));
    CHECK(is_home("a:x:4294967295:7:g:/max:\n", UINT32_MAX, "/max"));
}

static void test_numbers(void) {
    static const char *const wrong[] = {" 7", "+7", "-7", "0x7", "7x", "7 ", "", "4294967303",
                                        "18446744073709551623", "-18446744073709551609"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char line[128];
        snprintf(line, sizeof line, "a:x:%s:7:g:/home:\n", wrong[i]);
        CHECK(is_home(line, 7, "none"));
    }
    CHECK(is_home("a:x:007:7:g:/home:\n", 7, "/home"));
}

static void test_sizes(void) {
    CHECK(is_home("a:x:7:7:g:/34567890123456:\n", 7, "/34567890123456"));
    CHECK(is_home("a:x:7:7:g:/345678901234567:\n", 7, "none")); /* one more than fits */
    static char text[20000];
    memset(text, 'x', sizeof text);
    static const char end[] = "\na:x:7:7:g:/after:\n";
    memcpy(text + sizeof text - sizeof end + 1, end, sizeof end - 1);
    CHECK(reads(text, sizeof text, 7, "/after"));
    memset(text, 0, sizeof text - sizeof end);
    CHECK(reads(text, sizeof text, 7, "/after"));
}

/* The files of an image, in the order in which they are tried; none may be waited for. */
static void test_places(void) {
    char base[] = "/tmp/init_home_test.XXXXXX", command[128];
    static const char *const scripts[] = {
        "mkfifo passwd", "ln -s /dev/zero passwd", "ln -s /proc/self/fd/0 passwd", "mkdir passwd",
        "ln -s passwd passwd", "truncate -s 100M passwd", "true"};
    CHECK(mkdtemp(base) != NULL);
    init.root_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(mkdirat(init.root_fd, "etc", 0755) == 0);
    int fds = count_fds();
    struct tsr_args_find_home args = {.uid = 0};
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        snprintf(command, sizeof command, "cd %s/etc && rm -rf passwd && %s", base, scripts[i]);
        CHECK(system(command) == 0);
        CHECK(op_find_home(&init, &args) == 0);
        CHECK(strcmp(init.home, "HOME=/") == 0);
    }
    snprintf(command, sizeof command, "cd %s/etc && echo root:x:0:0::/root: >passwd", base);
    CHECK(system(command) == 0);
    CHECK(op_find_home(&init, &args) == 0 && strcmp(init.home, "HOME=/root") == 0);
    CHECK(count_fds() == fds);
    snprintf(command, sizeof command, "rm -rf %s", base);
    CHECK(system(command) == 0);
}

int main(void) {
    alarm(60); /* nothing here may wait */
    start_init(&init);
    test_lines();
    test_numbers();
    test_sizes();
    test_places();
    puts("init_home_test: ok");
    return 0;
}
