/* The handler of SIGCHLD: one write(2), whatever thread it runs on. */
#define _GNU_SOURCE
#include "child_signal.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Written before the handler is installed, and never again while it is. */
static int event_fd = -1;
static struct sigaction former;
static bool installed;

static void handle(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    const uint64_t one = 1;
    ssize_t written = write(event_fd, &one, sizeof one);
    (void)written; /* full: readable already */
    errno = saved;

    if ((former.sa_flags & SA_SIGINFO) != 0)
        former.sa_sigaction(number, info, context);
    else if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN)
        former.sa_handler(number);
}

/* Others replace it without a word: node's own way to start a process leaves the default behind. */
static bool is_ours(void)
{
    struct sigaction now;
    return sigaction(SIGCHLD, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
           now.sa_sigaction == handle;
}

int tsr_child_signal_start(struct tsr_error *error)
{
    if (installed && is_ours())
        return event_fd;
    if (event_fd < 0)
        event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_fd < 0)
        return tsr_fail(error, "eventfd");
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_NOCLDSTOP;
    sigfillset(&action.sa_mask);
    if (sigaction(SIGCHLD, NULL, &former) != 0 || sigaction(SIGCHLD, &action, NULL) != 0)
        return tsr_fail(error, "sigaction");
    installed = true;
    return event_fd;
}

void tsr_child_signal_stop(void)
{
    if (!installed || !is_ours())
        return;
    sigaction(SIGCHLD, &former, NULL);
    installed = false;
}
