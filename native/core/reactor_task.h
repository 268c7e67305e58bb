/* What is under way in a reactor, and how epoll is asked about it; used by reactor.c only. */
#ifndef TSR_CORE_REACTOR_TASK_H
#define TSR_CORE_REACTOR_TASK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "copy.h"
#include "error.h"

/* What an event of epoll is about: a token and a side, or one of these. */
#define WAKE UINT64_MAX
#define CHILD (UINT64_MAX - 1)
enum side { FROM, TO };

enum state {
    WAITING,  /* for epoll */
    RUNNABLE, /* in the list of that name: needs a turn, not an event */
    MOVING,   /* in a turn; only the I/O thread may touch it */
    ENDED,    /* in the list of events */
};

struct task {
    uint64_t token; /* first: the key of the tree */
    enum state state;
    bool is_copy;
    bool cancelled; /* in its turn: to be freed after it */
    int watched;    /* of a watch: our duplicate */
    struct tsr_copy copy;
    bool registered[2]; /* of a copy's sides, with epoll */
    bool unpollable[2]; /* always ready, says epoll */
    bool hears_end;     /* epoll tells when nobody reads `to` any more */
    int value;          /* of the event */
    TAILQ_ENTRY(task) link;
};
TAILQ_HEAD(tasks, task);

struct tsr_reactor {
    pthread_t thread;
    pthread_mutex_t lock;
    int epoll;
    int wake; /* eventfd */
    void (*notify)(void *context);
    void *context;
    /* Guarded by the lock from here on. */
    bool stopping;
    bool told; /* notify has been called for what is in `events` */
    void *tree;
    struct tasks runnable;
    struct tasks events;
    bool child_ended;
    int child_event; /* eventfd of the handler, not ours to close; -1 */
    uint64_t child_token;
    uint8_t buffer[TSR_COPY_BUFFER]; /* the I/O thread's own */
};

/* With the lock held, all of these. */

struct task *tsr_task_find(struct tsr_reactor *reactor, uint64_t token);

/* EEXIST when the token is in use. */
int tsr_task_insert(struct tsr_reactor *reactor, struct task *task, struct tsr_error *error);

void tsr_task_remove(struct tsr_reactor *reactor, const struct task *task);

/* Registers the fd of a watch for one event; fails with errno. */
int tsr_task_watch(struct tsr_reactor *reactor, const struct task *task, uint32_t events);

/*
 * Lets a copy wait for a side, or makes it runnable where waiting is not possible. 0, or the errno
 * for which the copy has to end.
 */
int tsr_task_wait_for(struct tsr_reactor *reactor, struct task *task, enum side side);

/* Puts a task that is in no list into that of those who need a turn. */
void tsr_task_make_runnable(struct tsr_reactor *reactor, struct task *task);

/* Closes its fds and makes it an event; it is in no list. */
void tsr_task_end(struct tsr_reactor *reactor, struct task *task, int value);

/* Closes its fds. Idempotent. */
void tsr_task_close(const struct tsr_reactor *reactor, struct task *task);

/* Unlocks, and calls notify if it has to be: without the lock, because it takes locks of its own. */
void tsr_task_unlock(struct tsr_reactor *reactor);

#endif
