/* The state that operations share, and their prototypes. init is single-threaded and performs what the plan says. */
#ifndef TSR_INIT_H
#define TSR_INIT_H

#include <errno.h>
#include <limits.h>

#include "plan.h"

#define INIT_SLOTS 4096

struct init {
    struct plan plan;
    uint32_t index;            /* of the op at work, for reports */
    int sync_fd;               /* SOCK_SEQPACKET to whoever waits for us, -1 once closed */
    int proc_fd;               /* the host's procfs, verified, O_PATH */
    int root_fd;               /* the container's root, -1 before it is known */
    int null_fd;               /* the host's /dev/null, verified, O_PATH, -1 until the first mask */
    int empty_fd;              /* an attached empty read-only directory, -1 until the first mask */
    int state_fd;              /* memfd with the hook state of the last sync, -1 for none */
    int slots[INIT_SLOTS];     /* mount trees by slot number, -1 when free */
    bool has_slots;            /* a slot was taken: the limit of open files is raised */
    uint64_t open_files;       /* the soft limit as it was, 0 while it is not raised */
    unsigned umask;            /* what hooks get: the caller's, then the container's; ours is 0 */
    bool is_traced;            /* the end of each op is timed (trace.c) */
    bool is_inside_cwd;        /* changeDirectory has succeeded */
    const char *step;          /* the syscall that failed */
    char detail[512];          /* more words on the failure */
    char home[PATH_MAX];       /* `HOME=...` found by findHome, or empty */
    char executable[PATH_MAX]; /* found by findExecutable */
};

/* Messages of init to its parent. */
enum message_type {
    MESSAGE_SYNC = 1,    /* value: the sync point; an answer is awaited */
    MESSAGE_FORKED = 2,  /* value: pid in the parent's pid namespace */
    MESSAGE_ERROR = 3,   /* error, text: step, NUL, detail; the process ends */
    MESSAGE_CONSOLE = 4, /* one fd: the terminal's master; text: name of the other side */
    MESSAGE_NOTIFY = 5,  /* value: number of the seccomp listener's fd, for pidfd_getfd(2); an answer is awaited */
    MESSAGE_CAPABILITY = 6, /* a warning; value: number of the capability, text: what is wrong with it */
    MESSAGE_EXEC = 7,    /* execve comes next: a closed socket from here on is success */
    MESSAGE_STARTED = 8, /* the gate is passed: this connection is the one that started us */
    MESSAGE_TRACE = 9,   /* value: the first op; text: ends of it and the next, ns of CLOCK_MONOTONIC */
};

struct message {
    uint32_t type;
    uint32_t index;
    int32_t error;
    uint32_t value;
};

/* Sends a message with text and, unless it is -1, an fd. False when the peer is gone. */
bool send_message(const struct init *c, enum message_type type, int error, uint32_t value,
                  const char *text, size_t length, int fd);

/* Waits for the peer's answer and keeps the state fd that comes with it. False when the peer is gone. */
bool receive_answer(struct init *c);

/* Hides the process from ptrace and /proc readers (CVE-2016-9962); where ids change, the kernel may undo it. */
void hide(void);

/* Home directory for `uid` in an open passwd(5) file; leaves `home` alone when there is none. */
void read_home(int fd, uint32_t uid, char *home, size_t size);

/* Notes the time at which the op at work has ended; sends what has not been sent yet (trace.c). */
void trace_end(struct init *c);
void send_trace(struct init *c);

/* Reports a failure to whoever waits and ends the process. */
_Noreturn void report_and_exit(struct init *c, int error);

/* Notes which syscall failed and returns -errno: `return failed(c, "mount")`. */
static inline int failed(struct init *c, const char *step) {
    c->step = step;
    return -errno;
}

/* The same for a failure which is no errno of the last call. */
static inline int refused(struct init *c, const char *step, int error) {
    c->step = step;
    return -error;
}

void set_detail(struct init *c, const char *a, const char *b);

/* Paths inside the container's root (paths.c). All return an fd or -errno. */
int open_in_root(struct init *c, const char *path, uint64_t flags, bool no_links);
int make_directories(struct init *c, const char *path, unsigned mode, bool no_links);
int open_parent(struct init *c, const char *path, unsigned mode, const char **name);
int make_file(struct init *c, const char *path);

/*
 * Opens what an fd (O_PATH) stands for once more, with these flags. The way to open a file of an image:
 * look it up with O_PATH, see what it is, then open it, because opening a device or a fifo is an action.
 */
int open_again(struct init *c, int fd, int flags);

/* Slots (op_mount.c): puts an fd into a free one, which owns it then; the fd in one, or -EBADF. */
int keep_slot(struct init *c, uint32_t slot, int fd);
int slot_fd(struct init *c, uint32_t slot);

/*
 * Every slot holds an fd, and callers have a soft limit of 1024 as a rule: the first slot raises it as far as it goes.
 * restore is for hooks, which are executed meanwhile; end_slots closes all slots and restores it for good. That is
 * when the root is switched, before limits of the config and filters, which may refuse the call, are in force.
 */
void restore_open_files(const struct init *c);
void end_slots(struct init *c);

/* fsconfig(2) on a file system context, with the kernel's reason as the detail; an option is `key=value` or a flag. */
int configure(struct init *c, int context, unsigned command, const char *key, const char *value);
int set_option(struct init *c, int context, const char *option);

/* Writes a file of the verified procfs. 0 or -errno. */
int write_proc(struct init *c, const char *path, const char *value);

/* Copies what directory `from` holds into directory `to` with owners and modes. 0 or -errno. */
int copy_tree(struct init *c, int from, int to);

#define TSR_PROTOTYPE(UPPER, lower) int op_##lower(struct init *c, const struct tsr_args_##lower *a);
TSR_FOR_EACH_OP(TSR_PROTOTYPE)
#undef TSR_PROTOTYPE

#endif
