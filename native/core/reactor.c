/*
 * The I/O thread. One lock guards all there is; it is not held while bytes move or the thread
 * sleeps, so that nobody waits for a disk.
 */
#define _GNU_SOURCE
#include "reactor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "child_signal.h"
#include "reactor_task.h"

_Static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLERR == EPOLLERR &&
                   POLLHUP == EPOLLHUP,
               "events are poll's");

#define BATCH 64
/* Virtual; sanitizers need more than a plain build. */
#define STACK_SIZE (256 * 1024)

/* One turn of a copy that is in no list. Gives up the lock meanwhile. */
static void take_turn(struct tsr_reactor *reactor, struct task *task)
{
    int result = 0;
    task->state = MOVING;
    pthread_mutex_unlock(&reactor->lock);
    enum tsr_copy_next next = tsr_copy_turn(&task->copy, reactor->buffer, &result);
    pthread_mutex_lock(&reactor->lock);

    if (task->cancelled) {
        tsr_task_close(reactor, task);
        free(task);
        return;
    }
    if (next == TSR_COPY_DONE) {
        tsr_task_end(reactor, task, result);
    } else if (next == TSR_COPY_AGAIN) {
        tsr_task_make_runnable(reactor, task);
    } else {
        enum side side = next == TSR_COPY_WAIT_FROM ? FROM : TO;
        int failed = tsr_task_wait_for(reactor, task, side);
        if (failed != 0)
            tsr_task_end(reactor, task, failed);
    }
}

static void handle_copy(struct tsr_reactor *reactor, struct task *task, enum side side,
                        uint32_t events)
{
    bool is_gone = side == TO && (events & (EPOLLERR | EPOLLHUP)) != 0 &&
                   task->copy.to_kind != TSR_COPY_DEVICE;
    if (is_gone)
        tsr_task_end(reactor, task, EPIPE);
    else
        take_turn(reactor, task);
}

static void handle_event(struct tsr_reactor *reactor, const struct epoll_event *event)
{
    uint64_t count;
    if (event->data.u64 == WAKE || event->data.u64 == CHILD) {
        bool is_child = event->data.u64 == CHILD;
        ssize_t size = read(is_child ? reactor->child_event : reactor->wake, &count, sizeof count);
        (void)size;
        reactor->child_ended = reactor->child_ended || is_child;
        return;
    }
    struct task *task = tsr_task_find(reactor, event->data.u64 / 2);
    if (task == NULL)
        return;
    enum side side = event->data.u64 % 2 == TO ? TO : FROM;
    if (side == TO)
        task->hears_end = false;
    if (task->state != WAITING)
        return;
    if (task->is_copy)
        handle_copy(reactor, task, side, event->events);
    else
        tsr_task_end(reactor, task, (int)event->events);
}

/* One turn for each that needs one now: those that come to need another wait for epoll_wait first. */
static void run_turns(struct tsr_reactor *reactor)
{
    size_t count = 0;
    struct task *task;
    TAILQ_FOREACH (task, &reactor->runnable, link)
        count++;
    while (count-- > 0 && (task = TAILQ_FIRST(&reactor->runnable)) != NULL) {
        TAILQ_REMOVE(&reactor->runnable, task, link);
        take_turn(reactor, task);
    }
}

static void *run(void *argument)
{
    struct tsr_reactor *reactor = argument;
    struct epoll_event events[BATCH];
    pthread_mutex_lock(&reactor->lock);
    while (!reactor->stopping) {
        int timeout = TAILQ_EMPTY(&reactor->runnable) ? -1 : 0;
        tsr_task_unlock(reactor);
        int count = epoll_wait(reactor->epoll, events, BATCH, timeout);
        pthread_mutex_lock(&reactor->lock);
        for (int index = 0; index < count; index++)
            handle_event(reactor, &events[index]);
        run_turns(reactor);
    }
    pthread_mutex_unlock(&reactor->lock);
    return NULL;
}

/* With every signal blocked: handlers belong to the engine's threads, SIGPIPE to nobody. */
static int start_thread(struct tsr_reactor *reactor, struct tsr_error *error)
{
    pthread_attr_t attributes;
    sigset_t all, old;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&reactor->thread, &attributes, run, reactor);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    if (failed != 0)
        return tsr_fail_with(error, failed, "pthread_create");
    pthread_setname_np(reactor->thread, "tsrunc-io");
    return 0;
}

static void free_reactor(struct tsr_reactor *reactor)
{
    while (reactor->tree != NULL) {
        struct task *task = *(struct task **)reactor->tree;
        tsr_task_close(reactor, task);
        tsr_task_remove(reactor, task);
        free(task);
    }
    if (reactor->wake >= 0)
        close(reactor->wake);
    if (reactor->epoll >= 0)
        close(reactor->epoll);
    pthread_mutex_destroy(&reactor->lock);
    free(reactor);
}

static int add_eventfd(const struct tsr_reactor *reactor, int fd, uint64_t data)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = data};
    return epoll_ctl(reactor->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int open_fds(struct tsr_reactor *reactor, struct tsr_error *error)
{
    reactor->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (reactor->epoll < 0)
        return tsr_fail(error, "epoll_create1");
    reactor->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (reactor->wake < 0)
        return tsr_fail(error, "eventfd");
    return add_eventfd(reactor, reactor->wake, WAKE) != 0 ? tsr_fail(error, "epoll_ctl") : 0;
}

struct tsr_reactor *tsr_reactor_start(void (*notify)(void *context), void *context,
                                      struct tsr_error *error)
{
    struct tsr_reactor *reactor = calloc(1, sizeof *reactor);
    if (reactor == NULL) {
        tsr_fail(error, "reactor");
        return NULL;
    }
    reactor->notify = notify;
    reactor->context = context;
    reactor->epoll = reactor->wake = reactor->child_event = -1;
    TAILQ_INIT(&reactor->runnable);
    TAILQ_INIT(&reactor->events);
    pthread_mutex_init(&reactor->lock, NULL);
    if (open_fds(reactor, error) != 0 || start_thread(reactor, error) != 0) {
        free_reactor(reactor);
        return NULL;
    }
    return reactor;
}

static void wake(const struct tsr_reactor *reactor)
{
    const uint64_t one = 1;
    ssize_t written = write(reactor->wake, &one, sizeof one);
    (void)written; /* full: awake already */
}

void tsr_reactor_stop(struct tsr_reactor *reactor)
{
    pthread_mutex_lock(&reactor->lock);
    reactor->stopping = true;
    bool has_children = reactor->child_event >= 0;
    pthread_mutex_unlock(&reactor->lock);
    wake(reactor);
    pthread_join(reactor->thread, NULL);
    if (has_children)
        tsr_child_signal_stop();
    free_reactor(reactor);
}

size_t tsr_reactor_take(struct tsr_reactor *reactor, struct tsr_event *events, size_t most)
{
    size_t count = 0;
    pthread_mutex_lock(&reactor->lock);
    if (reactor->child_ended && most > 0) {
        reactor->child_ended = false;
        events[count++] = (struct tsr_event){.token = reactor->child_token};
    }
    struct task *task;
    while (count < most && (task = TAILQ_FIRST(&reactor->events)) != NULL) {
        events[count++] = (struct tsr_event){.token = task->token, .value = task->value};
        TAILQ_REMOVE(&reactor->events, task, link);
        tsr_task_remove(reactor, task);
        free(task);
    }
    if (count < most)
        reactor->told = false;
    pthread_mutex_unlock(&reactor->lock);
    return count;
}

/* With the lock held; `task` has its fd. Frees nothing on failure. */
static int add_watch(struct tsr_reactor *reactor, struct task *task, bool writable,
                     struct tsr_error *error)
{
    if (tsr_task_insert(reactor, task, error) != 0)
        return -1;
    uint32_t events = writable ? EPOLLOUT : EPOLLIN;
    if (tsr_task_watch(reactor, task, events) == 0)
        return 0;
    if (errno == EPERM) {
        tsr_task_end(reactor, task, (int)events);
        return 0;
    }
    tsr_fail(error, "epoll_ctl");
    tsr_task_remove(reactor, task);
    return -1;
}

int tsr_reactor_watch(struct tsr_reactor *reactor, uint64_t token, int fd, bool writable,
                      struct tsr_error *error)
{
    int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (duplicate < 0)
        return tsr_fail(error, "fcntl");
    struct task *task = calloc(1, sizeof *task);
    if (task == NULL) {
        close(duplicate);
        return tsr_fail_with(error, ENOMEM, "reactor");
    }
    task->token = token;
    task->watched = duplicate;
    pthread_mutex_lock(&reactor->lock);
    int result = add_watch(reactor, task, writable, error);
    tsr_task_unlock(reactor);
    if (result != 0) {
        close(duplicate);
        free(task);
    }
    return result;
}

/* Takes back what `token` names if it is of this kind. */
static void take_back(struct tsr_reactor *reactor, uint64_t token, bool is_copy)
{
    pthread_mutex_lock(&reactor->lock);
    struct task *task = tsr_task_find(reactor, token);
    if (task != NULL && task->is_copy == is_copy) {
        tsr_task_remove(reactor, task);
        if (task->state == MOVING) {
            task->cancelled = true;
        } else {
            if (task->state != WAITING)
                TAILQ_REMOVE(task->state == ENDED ? &reactor->events : &reactor->runnable, task,
                             link);
            tsr_task_close(reactor, task);
            free(task);
        }
    }
    pthread_mutex_unlock(&reactor->lock);
}

void tsr_reactor_unwatch(struct tsr_reactor *reactor, uint64_t token)
{
    take_back(reactor, token, false);
}

void tsr_reactor_cancel_copy(struct tsr_reactor *reactor, uint64_t token)
{
    take_back(reactor, token, true);
}

/* With the lock held. */
static int add_copy(struct tsr_reactor *reactor, struct task *task, struct tsr_error *error)
{
    if (tsr_task_insert(reactor, task, error) != 0)
        return -1;
    int failed = tsr_task_wait_for(reactor, task, FROM);
    if (failed == 0)
        return 0;
    tsr_task_remove(reactor, task);
    return tsr_fail_with(error, failed, "epoll_ctl");
}

int tsr_reactor_copy(struct tsr_reactor *reactor, uint64_t token, int from, int to,
                     struct tsr_error *error)
{
    struct tsr_copy copy;
    if (tsr_copy_open(&copy, from, to, error) != 0)
        return -1;
    struct task *task = calloc(1, sizeof *task);
    if (task == NULL) {
        tsr_copy_close(&copy);
        return tsr_fail_with(error, ENOMEM, "reactor");
    }
    *task = (struct task){.token = token, .is_copy = true, .watched = -1, .copy = copy};
    pthread_mutex_lock(&reactor->lock);
    int result = add_copy(reactor, task, error);
    if (result != 0) {
        tsr_task_close(reactor, task);
        free(task);
    } else if (task->state == RUNNABLE) {
        wake(reactor);
    }
    pthread_mutex_unlock(&reactor->lock);
    return result;
}

int tsr_reactor_watch_children(struct tsr_reactor *reactor, uint64_t token,
                               struct tsr_error *error)
{
    int event = tsr_child_signal_start(error);
    if (event < 0)
        return -1;
    int result = 0;
    pthread_mutex_lock(&reactor->lock);
    reactor->child_token = token;
    if (reactor->child_event < 0) {
        reactor->child_event = event;
        if (add_eventfd(reactor, event, CHILD) != 0)
            result = tsr_fail(error, "epoll_ctl");
    }
    pthread_mutex_unlock(&reactor->lock);
    return result;
}
