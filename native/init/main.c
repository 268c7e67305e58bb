/* Reads the plan and performs it in order; the process becomes the container's by its last op. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "init.h"
#include "sys.h"

static struct init init;

static int perform(struct init *c, const struct plan_op *op) {
    switch (op->desc->code) {
#define PERFORM(UPPER, lower)                                                                      \
    case TSR_OP_##UPPER:                                                                           \
        return op_##lower(c, &op->args.lower);
        TSR_FOR_EACH_OP(PERFORM)
#undef PERFORM
    default:
        return -EINVAL;
    }
}

/* The plan is mapped, not read: a fork shares it and nothing has to be freed. */
static void open_plan(struct init *c, int fd) {
    struct stat st;
    const char *reason;
    if (fstat(fd, &st) != 0)
        report_and_exit(c, -failed(c, "fstat plan"));
    size_t size = (size_t)st.st_size;
    void *data = mmap(NULL, size == 0 ? 1 : size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        report_and_exit(c, -failed(c, "mmap plan"));
    close(fd);
    if (!plan_open(&c->plan, data, size, &reason)) {
        set_detail(c, reason, NULL);
        report_and_exit(c, -refused(c, "read plan", EINVAL));
    }
}

/*
 * The procfs handle is taken before any namespace is joined and any container mount is made, so
 * that no image can stand in its way (CVE-2019-16884, CVE-2025-52881).
 */
static void open_proc(struct init *c) {
    struct statfs fs;
    struct stat st;
    c->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (c->proc_fd < 0)
        report_and_exit(c, -failed(c, "open /proc"));
    if (fstatfs(c->proc_fd, &fs) != 0 || fs.f_type != TSR_PROC_MAGIC ||
        fstat(c->proc_fd, &st) != 0 || st.st_ino != 1)
        report_and_exit(c, -refused(c, "/proc is not a procfs", EXDEV));
}

int main(int argc, char **argv) {
    struct init *c = &init;
    int plan_fd;
    if (argc != 2 || sscanf(argv[1], "%d,%d", &plan_fd, &c->sync_fd) != 2)
        return 125;
    c->root_fd = c->null_fd = c->empty_fd = c->state_fd = -1;
    memset(c->slots, -1, sizeof c->slots);
    hide();
    /* A `start` that is killed must not take us with it; hooks and the program get the default back. */
    signal(SIGPIPE, SIG_IGN);
    /* Whatever was handed over is for us alone; sealFds lets the container's own pass again. */
    sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    prctl(PR_SET_NAME, "tsrunc:init");
    c->umask = umask(0); /* modes in the plan are exact */
    open_plan(c, plan_fd);
    open_proc(c);

    struct plan_cursor cursor = {0};
    struct plan_op op;
    for (c->index = 0; plan_next(&c->plan, &cursor, &op); c->index++) {
        c->step = NULL;
        int result = perform(c, &op);
        if (result < 0)
            report_and_exit(c, -result);
        trace_end(c);
    }
    report_and_exit(c, -refused(c, "plan ends without execute", EINVAL));
}
