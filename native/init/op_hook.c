/* The operation that runs a hook inside the container's namespaces. */
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "init.h"
#include "sys.h"

#define OUTPUT_LIMIT 400

static char **string_array(struct init *c, struct tsr_strs list) {
    char **array = calloc((size_t)list.count + 1, sizeof *array);
    for (uint32_t i = 0; array != NULL && i < list.count; i++)
        array[i] = (char *)plan_string(&c->plan, list, i);
    return array;
}

_Noreturn static void run_hook(struct init *c, const struct tsr_args_hook *a, int output) {
    char **args = string_array(c, a->args), **env = string_array(c, a->env);
    if (args == NULL || env == NULL)
        _exit(126);
    int input = c->state_fd;
    if (input < 0)
        input = open("/dev/null", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    else
        lseek(input, 0, SEEK_SET); /* one state for all hooks of the list */
    if (input < 0)
        close(0);
    else
        dup2(input, 0);
    dup2(output, 1);
    dup2(output, 2);
    sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); /* the program's preserved fds are not the hook's */
    umask((mode_t)c->umask);
    signal(SIGPIPE, SIG_DFL);
    restore_open_files(c);
    execve(a->path, args, env);
    dprintf(2, "%s", strerror(errno));
    _exit(126);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* For poll(2). In: the end, 0 for none. Out: 0 when it is reached. */
static int time_left(int64_t end) {
    int64_t left = end == 0 ? INT_MAX : end - now_ms();
    return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* Takes what the hook says, as much as fits. False at the end of its output. */
static bool take_output(int output, char *text, size_t *used) {
    char chunk[512];
    ssize_t got = read(output, chunk, sizeof chunk);
    if (got <= 0)
        return false;
    size_t space = OUTPUT_LIMIT - *used;
    size_t fits = (size_t)got < space ? (size_t)got : space;
    memcpy(text + *used, chunk, fits);
    *used += fits;
    return true;
}

/*
 * Collects the hook's words until it ends or its time is over. False when it had to be killed. A child that it
 * leaves behind may hold the pipe for ever, so the end of the output is not waited for.
 */
static bool watch_hook(pid_t pid, int pidfd, int output, uint32_t timeout_ms, char *text,
                       int *status) {
    int64_t end = timeout_ms == 0 ? 0 : now_ms() + timeout_ms;
    size_t used = 0;
    bool in_time = true;
    pid_t reaped = 0;
    struct pollfd fds[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = output, .events = POLLIN}};
    while (reaped == 0) {
        int left = time_left(end);
        in_time = left > 0;
        if (!in_time)
            break;
        fds[0].revents = fds[1].revents = 0;
        poll(fds, 2, left);
        if (fds[1].revents != 0 && !take_output(output, text, &used))
            fds[1].fd = -1;
        if (fds[0].revents != 0)
            reaped = waitpid(pid, status, WNOHANG);
    }
    while (used < OUTPUT_LIMIT && poll(&fds[1], 1, 0) > 0 && take_output(output, text, &used))
        ;
    text[used] = 0;
    if (!in_time)
        kill(pid, SIGKILL);
    while (reaped == 0 && waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
    return in_time;
}

int op_hook(struct init *c, const struct tsr_args_hook *a) {
    int output[2], pidfd = -1, status = 126 << 8; /* a failure, should it not come to be known */
    char text[OUTPUT_LIMIT + 1];
    if (pipe2(output, O_CLOEXEC) != 0)
        return failed(c, "pipe2");
    /* clone and not pidfd_open: the container's filter may be on, and old profiles do not know that call */
    pid_t pid = (pid_t)syscall(SYS_clone, (unsigned long)(CLONE_PIDFD | SIGCHLD), 0, &pidfd, 0, 0);
    if (pid < 0) {
        int result = failed(c, "clone");
        close(output[0]);
        close(output[1]);
        return result;
    }
    if (pid == 0)
        run_hook(c, a, output[1]);
    close(output[1]);
    bool in_time = watch_hook(pid, pidfd, output[0], a->timeout_ms, text, &status);
    close(output[0]);
    close(pidfd);
    if (in_time && status == 0)
        return 0;
    text[strcspn(text, "\n")] = 0;
    /* the path belongs to the text: `start` reads it without the plan at hand */
    if (!in_time)
        snprintf(c->detail, sizeof c->detail, "%s: timed out after %u ms", a->path, a->timeout_ms);
    else if (WIFSIGNALED(status))
        snprintf(c->detail, sizeof c->detail, "%s: killed by signal %d", a->path, WTERMSIG(status));
    else
        snprintf(c->detail, sizeof c->detail, "%s: exit status %d%s%s", a->path,
                 WEXITSTATUS(status), text[0] ? ", output: " : "", text);
    return refused(c, "hook", in_time ? ECANCELED : ETIMEDOUT);
}
