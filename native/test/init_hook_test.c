/* Hooks: how they end, what they say, what they inherit, and that none is waited for longer than allowed. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "start_init.h"

static struct init init;

/* A string list as the plan has it: offsets and lengths, then the texts. */
static uint8_t blob[4096];
static struct tsr_strs list_of(const char *const *texts, uint32_t count, uint32_t at) {
    uint32_t text_at = at + count * 8;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = (uint32_t)strlen(texts[i]);
        CHECK(text_at + length + 1 <= sizeof blob);
        memcpy(blob + at + i * 8, &text_at, 4);
        memcpy(blob + at + i * 8 + 4, &length, 4);
        memcpy(blob + text_at, texts[i], length + 1);
        text_at += length + 1;
    }
    return (struct tsr_strs){.table = blob + at, .count = count};
}

static int run(const char *script, uint32_t timeout_ms) {
    const char *const args[] = {"sh", "-c", script}, *const env[] = {"PATH=/usr/bin:/bin", "A=b"};
    struct tsr_args_hook hook = {.path = "/bin/sh",
                                 .args = list_of(args, 3, 0),
                                 .env = list_of(env, 2, 2048),
                                 .timeout_ms = timeout_ms};
    init.plan.blob = blob;
    init.plan.blob_size = sizeof blob;
    init.detail[0] = 0;
    return op_hook(&init, &hook);
}

static bool says(const char *text) {
    if (strstr(init.detail, text) == NULL)
        fprintf(stderr, "%s\n", init.detail);
    return strstr(init.detail, text) != NULL;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_ends(void) {
    CHECK(run("exit 0", 0) == 0);
    CHECK(run("exit 3", 0) == -ECANCELED && says("/bin/sh: exit status 3"));
    CHECK(run("echo no luck >&2; echo second; exit 1", 0) == -ECANCELED);
    CHECK(says("exit status 1, output: no luck") && strstr(init.detail, "second") == NULL);
    CHECK(run("kill -9 $$", 0) == -ECANCELED && says("killed by signal 9"));
    struct tsr_args_hook absent = {.path = "/nonexistent/hook"};
    CHECK(op_hook(&init, &absent) == -ECANCELED && says("exit status 126"));
    CHECK(says("No such file"));
}

static void test_timeouts(void) {
    double start = seconds();
    CHECK(run("exec sleep 50", 200) == -ETIMEDOUT && says("timed out after 200 ms"));
    /* output up to the end of the time must not be waited for afterwards */
    CHECK(run("while :; do echo x; done", 200) == -ETIMEDOUT);
    CHECK(run("exec sleep 0.1", 5000) == 0);
    CHECK(run("exec sleep 0.1", UINT32_MAX) == 0); /* more than poll(2) can be told */
    CHECK(seconds() - start < 10);
}

/* What a hook leaves behind may hold its output, silent or not; the hook is over nevertheless. */
static void test_left_behind(void) {
    double start = seconds();
    CHECK(run("sleep 30 & exit 0", 0) == 0);
    CHECK(run("(for i in $(seq 300); do echo flood; sleep 0.01; done) & exit 0", 0) == 0);
    CHECK(run("exec >&- 2>&-; sleep 0.2; exit 4", 0) == -ECANCELED && says("exit status 4"));
    CHECK(seconds() - start < 5);
}

static void test_output(void) {
    CHECK(run("head -c 1000000 /dev/zero | tr '\\0' y; exit 1", 0) == -ECANCELED);
    CHECK(strlen(init.detail) < sizeof init.detail && says("output: yyyy"));
}

static void test_inherited(void) {
    int passed = open("/dev/null", O_RDONLY);
    CHECK(passed >= 0 && signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    CHECK(run("[ \"$A\" = b ] && [ -z \"$HOME\" ]", 0) == 0);
    CHECK(run("[ $(umask) = 0022 ]", 0) == 0);
    init.umask = 077;
    CHECK(run("[ $(umask) = 0077 ]", 0) == 0);
    /* readlink's own table: nothing above 2 but what it opens itself */
    CHECK(run("for fd in /proc/self/fd/*; do case ${fd##*/} in [012]) ;; *) [ ! -e $fd ] || exit 1;; "
              "esac; done", 0) == 0);
    CHECK(run("grep -q '^SigIgn:.*0000$' /proc/self/status", 0) == 0);
    CHECK(run("[ -z \"$(cat)\" ]", 0) == 0);
    init.state_fd = memfd_create("state", MFD_CLOEXEC);
    CHECK(write(init.state_fd, "{}", 2) == 2);
    CHECK(run("[ \"$(cat)\" = {} ]", 0) == 0);
    CHECK(run("[ \"$(cat)\" = {} ]", 0) == 0); /* every hook of a list reads it from its start */
    close(init.state_fd);
    init.state_fd = -1;
    close(passed);
}

int main(void) {
    alarm(120);
    umask(0); /* as in init, where modes are exact */
    start_init(&init);
    int fds = count_fds();
    test_ends();
    test_timeouts();
    test_left_behind();
    test_output();
    test_inherited();
    CHECK(count_fds() == fds);
    puts("init_hook_test: ok");
    return 0;
}
