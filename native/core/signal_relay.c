/* A self-pipe: signalfd does not do in a process with threads that do not block the signals. */
#define _GNU_SOURCE
#include "signal_relay.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Handlers have no argument of ours: the one relay lives here. `old` is valid where `caught` is
 * set.
 */
static struct {
    atomic_bool busy;
    /* Signals are caught, and nobody reads them yet. */
    bool held;
    int read_end;
    atomic_int write_end;
    atomic_int in_handler;
    void (*crashed)(void);
    bool caught[NSIG];
    struct sigaction old[NSIG];
} relay = {.write_end = -1};

static bool is_fault(int number)
{
    switch (number) {
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGABRT:
    case SIGTRAP:
    case SIGSYS:
        return true;
    default:
        return false;
    }
}

/*
 * The engine's own signals: real faults, abort(), and those its threads send each other
 * (JavaScriptCore stops threads with SIGPWR). The same numbers sent from outside are meant for the
 * container.
 */
static bool is_internal(int number, const siginfo_t *info)
{
    if (info->si_code > 0)
        return is_fault(number);
    return (info->si_code == SI_TKILL || info->si_code == SI_USER) && info->si_pid == getpid();
}

static void handle_internal(int number, siginfo_t *info, void *context)
{
    const struct sigaction *old = &relay.old[number];
    if (is_fault(number) && number != SIGSYS && relay.crashed != NULL)
        relay.crashed();
    if ((old->sa_flags & SA_SIGINFO) != 0) {
        old->sa_sigaction(number, info, context);
    } else if (old->sa_handler != SIG_DFL) {
        old->sa_handler(number);
    } else if (is_fault(number)) {
        /* A fault comes again when we return, abort()'s signal has to be repeated. */
        sigaction(number, old, NULL);
        if (info->si_code <= 0)
            syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), number);
    }
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    if (is_internal(number, info)) {
        handle_internal(number, info, context);
        errno = saved_errno;
        return;
    }
    atomic_fetch_add(&relay.in_handler, 1);
    int fd = atomic_load(&relay.write_end);
    unsigned char byte = (unsigned char)number;
    /* A full pipe holds 65536 signals that nobody has looked at yet: one more can be lost. */
    ssize_t written = fd >= 0 ? write(fd, &byte, 1) : 0;
    (void)written;
    atomic_fetch_sub(&relay.in_handler, 1);
    errno = saved_errno;
}

static bool is_relayed(int number, bool window_changes)
{
    switch (number) {
    case SIGKILL:
    case SIGSTOP:
    case SIGCHLD:
    case SIGURG:
    case SIGPIPE:
    case SIGTTIN:
    case SIGTTOU:
        return false;
    case SIGWINCH:
        return window_changes;
    default:
        return true;
    }
}

static void catch_signal(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    if (handler == NULL) {
        action.sa_handler = SIG_IGN;
    } else {
        action.sa_flags |= SA_SIGINFO;
        action.sa_sigaction = handler;
    }
    /* Fails for the two signals that glibc keeps to itself. */
    relay.caught[number] = sigaction(number, &action, NULL) == 0;
}

static void catch_if_wanted(int number, bool window_changes)
{
    struct sigaction *old = &relay.old[number];
    if (sigaction(number, NULL, old) != 0)
        return;
    bool ignored = (old->sa_flags & SA_SIGINFO) == 0 && old->sa_handler == SIG_IGN;
    if (number == SIGPIPE)
        catch_signal(number, NULL);
    else if (!ignored && is_relayed(number, window_changes))
        catch_signal(number, on_signal);
}

int tsr_signal_relay_hold(struct tsr_error *error)
{
    if (atomic_exchange(&relay.busy, true))
        return tsr_fail_with(error, EBUSY, "sigaction");
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        tsr_fail(error, "pipe2");
        atomic_store(&relay.busy, false);
        return -1;
    }
    relay.held = true;
    relay.read_end = ends[0];
    atomic_store(&relay.write_end, ends[1]);
    for (int number = 1; number < NSIG; number++) {
        relay.caught[number] = false;
        catch_if_wanted(number, false);
    }
    return 0;
}

int tsr_signal_relay_start(bool window_changes, void (*crashed)(void), struct tsr_error *error)
{
    if (!relay.held && tsr_signal_relay_hold(error) != 0)
        return -1;
    relay.held = false;
    relay.crashed = crashed;
    if (window_changes)
        catch_if_wanted(SIGWINCH, true);
    return relay.read_end;
}

void tsr_signal_relay_stop(int pipe_fd)
{
    for (int number = 1; number < NSIG; number++) {
        if (relay.caught[number])
            sigaction(number, &relay.old[number], NULL);
    }
    /* A handler that already runs on another thread must not write into a reused fd. */
    int write_end = atomic_exchange(&relay.write_end, -1);
    while (atomic_load(&relay.in_handler) != 0)
        sched_yield();
    close(write_end);
    close(pipe_fd);
    relay.crashed = NULL;
    atomic_store(&relay.busy, false);
}
