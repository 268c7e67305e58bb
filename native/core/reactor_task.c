/*
 * Tasks and their registration with epoll.
 *
 * Every registration is one-shot and names its task by token: a report of something that has been
 * taken back meanwhile finds nothing. One-shot also is what keeps a source that is hung up (which
 * epoll cannot be told to leave out) from waking us all the time while its target is full.
 */
#define _GNU_SOURCE
#include "reactor_task.h"

#include <errno.h>
#include <search.h>
#include <sys/epoll.h>
#include <unistd.h>

static int compare_tokens(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

struct task *tsr_task_find(struct tsr_reactor *reactor, uint64_t token)
{
    void *node = tfind(&token, &reactor->tree, compare_tokens);
    return node == NULL ? NULL : *(struct task **)node;
}

int tsr_task_insert(struct tsr_reactor *reactor, struct task *task, struct tsr_error *error)
{
    void *node = tsearch(task, &reactor->tree, compare_tokens);
    if (node == NULL)
        return tsr_fail_with(error, ENOMEM, "reactor");
    return *(struct task **)node == task ? 0 : tsr_fail_with(error, EEXIST, "reactor");
}

void tsr_task_remove(struct tsr_reactor *reactor, const struct task *task)
{
    tdelete(task, &reactor->tree, compare_tokens);
}

static int control(const struct tsr_reactor *reactor, int operation, int fd, uint32_t events,
                   uint64_t data)
{
    struct epoll_event event = {.events = events | EPOLLONESHOT, .data.u64 = data};
    return epoll_ctl(reactor->epoll, operation, fd, &event);
}

int tsr_task_watch(struct tsr_reactor *reactor, const struct task *task, uint32_t events)
{
    return control(reactor, EPOLL_CTL_ADD, task->watched, events, task->token * 2);
}

/* Explicitly: a duplicate of the fd would keep the registration alive. */
static void unregister(const struct tsr_reactor *reactor, int fd)
{
    epoll_ctl(reactor->epoll, EPOLL_CTL_DEL, fd, NULL);
}

void tsr_task_close(const struct tsr_reactor *reactor, struct task *task)
{
    if (task->is_copy) {
        if (task->registered[FROM])
            unregister(reactor, task->copy.from);
        if (task->registered[TO])
            unregister(reactor, task->copy.to);
        task->registered[FROM] = task->registered[TO] = false;
        tsr_copy_close(&task->copy);
    } else if (task->watched >= 0) {
        unregister(reactor, task->watched);
        close(task->watched);
        task->watched = -1;
    }
}

void tsr_task_end(struct tsr_reactor *reactor, struct task *task, int value)
{
    tsr_task_close(reactor, task);
    task->value = value;
    task->state = ENDED;
    TAILQ_INSERT_TAIL(&reactor->events, task, link);
}

void tsr_task_make_runnable(struct tsr_reactor *reactor, struct task *task)
{
    task->state = RUNNABLE;
    TAILQ_INSERT_TAIL(&reactor->runnable, task, link);
}

static bool has_events(const struct tsr_reactor *reactor)
{
    return !TAILQ_EMPTY(&reactor->events) || reactor->child_ended;
}

void tsr_task_unlock(struct tsr_reactor *reactor)
{
    bool notify = has_events(reactor) && !reactor->told;
    if (notify)
        reactor->told = true;
    pthread_mutex_unlock(&reactor->lock);
    if (notify)
        reactor->notify(reactor->context);
}

/*
 * Asks epoll for one event of a side. 0, or the errno. What cannot be waited for is ready always.
 */
static int arm(struct tsr_reactor *reactor, struct task *task, enum side side, uint32_t events)
{
    if (task->unpollable[side])
        return 0;
    int fd = side == FROM ? task->copy.from : task->copy.to;
    int operation = task->registered[side] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (control(reactor, operation, fd, events, task->token * 2 + side) == 0) {
        task->registered[side] = true;
        return 0;
    }
    task->unpollable[side] = errno == EPERM;
    return task->unpollable[side] ? 0 : errno;
}

/* The end of the readers of a pipe or socket shows while nothing is to be written. */
static int listen_for_end(struct tsr_reactor *reactor, struct task *task)
{
    enum tsr_copy_kind kind = task->copy.to_kind;
    if (task->hears_end || (kind != TSR_COPY_PIPE && kind != TSR_COPY_SOCKET))
        return 0;
    task->hears_end = true;
    return arm(reactor, task, TO, 0);
}

int tsr_task_wait_for(struct tsr_reactor *reactor, struct task *task, enum side side)
{
    task->state = WAITING;
    if (side == TO)
        task->hears_end = false;
    int failed = arm(reactor, task, side, side == FROM ? EPOLLIN : EPOLLOUT);
    if (failed == 0 && side == FROM)
        failed = listen_for_end(reactor, task);
    if (failed == 0 && task->unpollable[side])
        tsr_task_make_runnable(reactor, task);
    return failed;
}
