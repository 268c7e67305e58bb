/* The operation that runs a hook inside the container's namespaces. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (args == NULL || env == NULL)
        _exit(126);
    int input = c->state_fd >= 0 ? c->state_fd : null_fd;
    if (c->state_fd >= 0)
        lseek(c->state_fd, 0, SEEK_SET); /* one state for all hooks of the list */
    dup2(input, 0);
    dup2(output, 1);
    dup2(output, 2);
    execve(a->path, args, env);
    dprintf(2, "%s", strerror(errno));
    _exit(126);
}

static long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Collects the hook's words until it ends or its time is over. False when it had to be killed. */
static bool watch_hook(pid_t pid, int output, uint32_t timeout_ms, char *text, size_t size,
                       int *status) {
    long end = now_ms() + (long)timeout_ms;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    size_t used = 0;
    bool in_time = true;
    struct pollfd fds[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = output, .events = POLLIN}};
    while (in_time) {
        long left = timeout_ms == 0 ? -1 : end - now_ms();
        if (timeout_ms != 0 && left <= 0)
            in_time = false;
        else if (poll(fds, 2, (int)left) < 0 && errno != EINTR)
            break;
        if (fds[1].revents != 0) {
            char chunk[512];
            ssize_t got = read(output, chunk, sizeof chunk);
            size_t fits = got <= 0 ? 0 : (size_t)got < size - used ? (size_t)got : size - used;
            memcpy(text + used, chunk, fits);
            used += fits;
            if (got <= 0)
                fds[1].fd = -1;
        } else if (fds[0].revents != 0) {
            break;
        }
    }
    text[used] = 0;
    if (!in_time)
        kill(pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
    close(pidfd);
    return in_time;
}

int op_hook(struct init *c, const struct tsr_args_hook *a) {
    int output[2], status = 0;
    char text[OUTPUT_LIMIT + 1];
    if (pipe2(output, O_CLOEXEC) != 0)
        return failed(c, "pipe2");
    pid_t pid = fork();
    if (pid < 0)
        return failed(c, "fork");
    if (pid == 0)
        run_hook(c, a, output[1]);
    close(output[1]);
    bool in_time = watch_hook(pid, output[0], a->timeout_ms, text, OUTPUT_LIMIT, &status);
    close(output[0]);
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
