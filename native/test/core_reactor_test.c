/*
 * The I/O thread against real pipes, fifos, sockets, terminals and files: nothing is lost, late or
 * left over, and nobody keeps it busy without need.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../core/reactor.h"
#include "check.h"

static struct tsr_reactor *reactor;
static struct tsr_error error;
static uint64_t last_token;
/* What notify tells; events that came while another one was looked for. */
static int told[2];
static struct tsr_event seen[1024];
static size_t nseen;
static char scratch[] = "/tmp/reactor-test-XXXXXX";

static void notify(void *context)
{
    CHECK(context == &reactor);
    CHECK(write(told[1], "x", 1) == 1);
}

static void start(void)
{
    CHECK(pipe2(told, O_CLOEXEC | O_NONBLOCK) == 0);
    reactor = tsr_reactor_start(notify, &reactor, &error);
    CHECK(reactor != NULL);
}

static void stop(void)
{
    tsr_reactor_stop(reactor);
    close(told[0]);
    close(told[1]);
    CHECK(nseen == 0);
}

/* Waits for notify, as an engine does, and takes all there is. */
static bool take_some(int timeout_ms)
{
    struct pollfd fd = {.fd = told[0], .events = POLLIN};
    int ready;
    do {
        ready = poll(&fd, 1, timeout_ms);
    } while (ready < 0 && errno == EINTR); /* SIGCHLD */
    if (ready == 0)
        return false;
    char data;
    CHECK(read(told[0], &data, 1) == 1);
    size_t count;
    do {
        CHECK(nseen + 8 <= sizeof seen / sizeof seen[0]);
        count = tsr_reactor_take(reactor, seen + nseen, 8);
        nseen += count;
    } while (count == 8);
    return true;
}

/* The value of the event of this token; fails after ten seconds. */
static int event_of(uint64_t token)
{
    for (;;) {
        for (size_t index = 0; index < nseen; index++) {
            if (seen[index].token != token)
                continue;
            int value = seen[index].value;
            seen[index] = seen[--nseen];
            return value;
        }
        CHECK(take_some(10000));
    }
}

static void no_event(int timeout_ms)
{
    while (take_some(timeout_ms))
        continue;
    CHECK(nseen == 0);
}

static void make_pipe(int fds[2])
{
    CHECK(pipe2(fds, O_CLOEXEC) == 0);
}

static uint64_t copy(int from, int to)
{
    CHECK(tsr_reactor_copy(reactor, ++last_token, from, to, &error) == 0);
    return last_token;
}

static uint64_t watch(int fd, bool writable)
{
    CHECK(tsr_reactor_watch(reactor, ++last_token, fd, writable, &error) == 0);
    return last_token;
}

static double cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Nothing may spin while nothing can move. */
static void check_idle(void)
{
    double before = cpu_ms();
    usleep(80 * 1000);
    CHECK(cpu_ms() - before < 20);
}

/* The byte at a position of the endless stream that all tests send. */
static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 31 + at / 251);
}

static void send_pattern(int fd, size_t *at, size_t size)
{
    uint8_t data[4096];
    while (size > 0) {
        size_t chunk = size < sizeof data ? size : sizeof data;
        for (size_t index = 0; index < chunk; index++)
            data[index] = pattern(*at + index);
        ssize_t written = write(fd, data, chunk);
        CHECK(written > 0);
        *at += (size_t)written;
        size -= (size_t)written;
    }
}

/* Reads until the end or `most` bytes. */
static void receive_pattern(int fd, size_t *at, size_t most)
{
    uint8_t data[4096];
    while (most > 0) {
        ssize_t size = read(fd, data, most < sizeof data ? most : sizeof data);
        CHECK(size >= 0);
        if (size == 0)
            return;
        for (ssize_t index = 0; index < size; index++)
            CHECK(data[index] == pattern(*at + (size_t)index));
        *at += (size_t)size;
        most -= (size_t)size;
    }
}

static void test_watch(void)
{
    int fds[2];
    make_pipe(fds);
    uint64_t reads[3];
    for (int index = 0; index < 3; index++)
        reads[index] = watch(fds[0], false);
    CHECK((event_of(watch(fds[1], true)) & POLLOUT) != 0);
    no_event(20);
    CHECK(write(fds[1], "x", 1) == 1);
    for (int index = 0; index < 3; index++)
        CHECK((event_of(reads[index]) & POLLIN) != 0);
    no_event(20);

    CHECK(read(fds[0], reads, 1) == 1);
    uint64_t hung_up = watch(fds[0], false);
    close(fds[1]);
    CHECK(event_of(hung_up) == POLLHUP);
    close(fds[0]);

    /* what epoll refuses is ready */
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK((event_of(watch(file, false)) & POLLIN) != 0);
    close(file);

    CHECK(tsr_reactor_watch(reactor, ++last_token, 12345, false, &error) == -1);
    CHECK(error.number == EBADF);
}

static void test_unwatch(void)
{
    int fds[2];
    make_pipe(fds);
    uint64_t before = watch(fds[0], false);
    tsr_reactor_unwatch(reactor, before);
    tsr_reactor_unwatch(reactor, before);
    CHECK(write(fds[1], "x", 1) == 1);
    no_event(20);

    /* happened, told, but not taken */
    uint64_t after = watch(fds[0], false);
    struct pollfd fd = {.fd = told[0], .events = POLLIN};
    CHECK(poll(&fd, 1, 10000) == 1);
    tsr_reactor_unwatch(reactor, after);
    no_event(20);

    /* and the next one is told of all the same */
    CHECK((event_of(watch(fds[0], false)) & POLLIN) != 0);
    uint64_t twice = watch(fds[1], true);
    CHECK(tsr_reactor_watch(reactor, twice, fds[0], false, &error) == -1);
    CHECK(error.number == EEXIST);
    event_of(twice);
    no_event(20);
    close(fds[0]);
    close(fds[1]);
}

/* A source and a target that the test holds the other ends of. */
struct ends {
    int in;
    int out;
    uint64_t token;
};

static struct ends copy_between(int source[2], int target[2])
{
    return (struct ends){source[1], target[0], copy(source[0], target[1])};
}

static struct ends copy_pipes(void)
{
    int source[2], target[2];
    make_pipe(source);
    make_pipe(target);
    return copy_between(source, target);
}

static struct ends copy_sockets(void)
{
    int source[2], target[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, source) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, target) == 0);
    return copy_between(source, target);
}

static struct ends copy_mixed(void)
{
    int source[2], target[2];
    make_pipe(source);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, target) == 0);
    return copy_between(source, target);
}

struct writer {
    int fd;
    size_t size;
};

static void *write_all(void *argument)
{
    const struct writer *writer = argument;
    size_t at = 0;
    send_pattern(writer->fd, &at, writer->size);
    close(writer->fd);
    return NULL;
}

/* All bytes arrive in order, however slow the reader is. */
static void test_stream(struct ends (*make)(void), size_t size, bool slow)
{
    struct ends ends = make();
    struct writer writer = {ends.in, size};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, write_all, &writer) == 0);
    size_t at = 0;
    for (int pause = 0; slow && pause < 20; pause++) {
        usleep(2000);
        receive_pattern(ends.out, &at, 10007);
    }
    receive_pattern(ends.out, &at, SIZE_MAX);
    CHECK(at == size);
    CHECK(event_of(ends.token) == 0);
    pthread_join(thread, NULL);
    close(ends.out);
    no_event(0);
}

/* The source ends while the target is full: no spinning, and nothing is lost. */
static void test_hang_up_while_full(struct ends (*make)(void))
{
    struct ends ends = make();
    size_t at = 0, arrived = 0;
    for (int round = 0; round < 5; round++) {
        struct pollfd fd = {.fd = ends.in, .events = POLLOUT};
        while (poll(&fd, 1, 20) == 1)
            send_pattern(ends.in, &at, 1000);
    }
    CHECK(at > 64 * 1024);
    check_idle();
    close(ends.in);
    check_idle();
    no_event(0);
    receive_pattern(ends.out, &arrived, SIZE_MAX);
    CHECK(arrived == at);
    CHECK(event_of(ends.token) == 0);
    close(ends.out);
}

static void test_vanished_reader(struct ends (*make)(void))
{
    /* nothing to write: it shows all the same */
    struct ends idle = make();
    close(idle.out);
    CHECK(event_of(idle.token) == EPIPE);
    close(idle.in);

    /* blocked */
    struct ends full = make();
    struct pollfd fd = {.fd = full.in, .events = POLLOUT};
    size_t at = 0;
    while (poll(&fd, 1, 20) == 1)
        send_pattern(full.in, &at, 1000);
    no_event(0);
    close(full.out);
    int result = event_of(full.token);
    CHECK(result == EPIPE || result == ECONNRESET);
    close(full.in);
}

static void test_cancel(struct ends (*make)(void))
{
    struct ends idle = make();
    tsr_reactor_cancel_copy(reactor, idle.token);
    tsr_reactor_cancel_copy(reactor, idle.token);
    size_t at = 0;
    receive_pattern(idle.out, &at, 1); /* at its end */
    CHECK(at == 0);
    close(idle.in);
    close(idle.out);

    struct ends full = make();
    struct pollfd fd = {.fd = full.in, .events = POLLOUT};
    while (poll(&fd, 1, 20) == 1)
        send_pattern(full.in, &at, 1000);
    tsr_reactor_cancel_copy(reactor, full.token);
    size_t arrived = 0;
    receive_pattern(full.out, &arrived, SIZE_MAX);
    CHECK(arrived < at);
    close(full.in);
    close(full.out);
    no_event(20);
}

/* Each in its own time, and one that is blocked in nobody's. */
static void test_many(void)
{
    enum { COUNT = 200 };
    static struct ends all[COUNT];
    static size_t sent[COUNT], arrived[COUNT];
    memset(sent, 0, sizeof sent);
    memset(arrived, 0, sizeof arrived);
    for (int index = 0; index < COUNT; index++)
        all[index] = index % 3 == 0 ? copy_mixed() : copy_pipes();
    struct pollfd fd = {.fd = all[0].in, .events = POLLOUT};
    while (poll(&fd, 1, 20) == 1)
        send_pattern(all[0].in, &sent[0], 1000);
    for (int round = 0; round < 20; round++) {
        for (int index = 1; index < COUNT; index++)
            send_pattern(all[index].in, &sent[index], 100 + (size_t)index);
        for (int index = 1; index < COUNT; index++)
            receive_pattern(all[index].out, &arrived[index], 100 + (size_t)index);
    }
    for (int index = 0; index < COUNT; index++) {
        close(all[index].in);
        receive_pattern(all[index].out, &arrived[index], SIZE_MAX);
        CHECK(arrived[index] == sent[index]);
        CHECK(event_of(all[index].token) == 0);
        close(all[index].out);
    }
}

/* Two that never run dry do not keep a third from moving. */
static void test_fairness(void)
{
    enum { COUNT = 2 };
    int zero[COUNT];
    uint64_t endless[COUNT];
    for (int index = 0; index < COUNT; index++) {
        zero[index] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        endless[index] = copy(zero[index], open("/dev/null", O_WRONLY | O_CLOEXEC));
    }
    test_stream(copy_pipes, 1 << 20, false);
    for (int index = 0; index < COUNT; index++)
        tsr_reactor_cancel_copy(reactor, endless[index]);
    no_event(20);
    check_idle();
}

static void test_fifo(void)
{
    char path[sizeof scratch + 16];
    snprintf(path, sizeof path, "%s/fifo", scratch);
    CHECK(mkfifo(path, 0600) == 0);
    int target[2];
    make_pipe(target);

    /* without a writer it is not at its end but has not begun */
    int from = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    uint64_t token = copy(from, target[1]);
    no_event(20);
    int writer = open(path, O_WRONLY | O_CLOEXEC);
    size_t sent = 0, arrived = 0;
    send_pattern(writer, &sent, 1000);
    receive_pattern(target[0], &arrived, 1000);
    check_idle();
    close(writer);
    CHECK(event_of(token) == 0);
    receive_pattern(target[0], &arrived, 1);
    CHECK(arrived == 1000);
    close(target[0]);

    /* a target whose reader comes and goes while we hold a read end keeps all bytes */
    int source[2];
    make_pipe(source);
    int keep = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    token = copy(source[0], open(path, O_WRONLY | O_CLOEXEC));
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    close(reader);
    sent = arrived = 0;
    send_pattern(source[1], &sent, 1000);
    no_event(20);
    reader = open(path, O_RDONLY | O_CLOEXEC);
    close(source[1]);
    CHECK(event_of(token) == 0);
    receive_pattern(reader, &arrived, SIZE_MAX);
    CHECK(arrived == 1000);
    close(reader);
    close(keep);
    unlink(path);
}

static void test_file(void)
{
    char path[sizeof scratch + 16];
    snprintf(path, sizeof path, "%s/file", scratch);
    int source[2], target[2];
    make_pipe(source);
    /* two copies that append to one file, as stdout and stderr do */
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    uint64_t token = copy(source[0], file);
    size_t at = 0;
    send_pattern(source[1], &at, 300000);
    close(source[1]);
    CHECK(event_of(token) == 0);

    make_pipe(target);
    token = copy(open(path, O_RDONLY | O_CLOEXEC), target[1]);
    at = 0;
    usleep(20 * 1000);
    check_idle();
    receive_pattern(target[0], &at, SIZE_MAX);
    CHECK(at == 300000);
    CHECK(event_of(token) == 0);
    close(target[0]);

    make_pipe(source);
    token = copy(source[0], open("/dev/null", O_WRONLY | O_CLOEXEC));
    send_pattern(source[1], &at, 100000);
    close(source[1]);
    CHECK(event_of(token) == 0);

    make_pipe(source);
    token = copy(source[0], open("/dev/full", O_WRONLY | O_CLOEXEC));
    CHECK(write(source[1], "x", 1) == 1);
    CHECK(event_of(token) == ENOSPC);
    close(source[1]);
    unlink(path);
}

static void test_refused_splice(void)
{
    /* a pipe into itself: splice refuses, read and write go round until they are stopped */
    int ring[2], source[2];
    make_pipe(ring);
    CHECK(write(ring[1], "round", 5) == 5);
    uint64_t token = copy(ring[0], ring[1]);
    no_event(20);
    tsr_reactor_cancel_copy(reactor, token);
    no_event(20);

    char path[sizeof scratch + 16];
    snprintf(path, sizeof path, "%s/fifo", scratch);
    CHECK(mkfifo(path, 0600) == 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    make_pipe(source);
    token = copy(source[0], open(path, O_WRONLY | O_APPEND | O_CLOEXEC));
    size_t at = 0;
    send_pattern(source[1], &at, 1000);
    close(source[1]);
    CHECK(event_of(token) == 0);
    at = 0;
    receive_pattern(reader, &at, SIZE_MAX);
    CHECK(at == 1000);
    close(reader);
    unlink(path);
}

static void open_terminal(int fds[2])
{
    fds[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(fds[0] >= 0 && grantpt(fds[0]) == 0 && unlockpt(fds[0]) == 0);
    fds[1] = open(ptsname(fds[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios settings;
    CHECK(fds[1] >= 0 && tcgetattr(fds[1], &settings) == 0);
    cfmakeraw(&settings);
    CHECK(tcsetattr(fds[1], TCSANOW, &settings) == 0);
}

static void test_terminal(void)
{
    int terminal[2], output[2], input[2];
    open_terminal(terminal);
    make_pipe(output);
    make_pipe(input);
    uint64_t out = copy(fcntl(terminal[0], F_DUPFD_CLOEXEC, 3), output[1]);
    uint64_t in = copy(input[0], terminal[0]);
    struct writer writer = {fcntl(terminal[1], F_DUPFD_CLOEXEC, 3), 200000};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, write_all, &writer) == 0);
    usleep(20 * 1000);
    size_t at = 0;
    receive_pattern(output[0], &at, 200000);
    pthread_join(thread, NULL);

    size_t sent = 0;
    at = 0;
    send_pattern(input[1], &sent, 3000);
    receive_pattern(terminal[1], &at, 3000);
    check_idle();

    /* the program does not read: its input waits, its output does not */
    struct pollfd fd = {.fd = input[1], .events = POLLOUT};
    while (poll(&fd, 1, 20) == 1)
        send_pattern(input[1], &sent, 1000);
    check_idle();
    CHECK(write(terminal[1], "x", 1) == 1);
    CHECK(read(output[0], &at, 1) == 1);

    /* what was written last is read after the last slave has been closed */
    CHECK(write(terminal[1], "bye", 3) == 3);
    close(terminal[1]);
    CHECK(event_of(out) == 0);
    char last[4] = "";
    CHECK(read(output[0], last, 4) == 3 && strcmp(last, "bye") == 0);
    CHECK(read(output[0], last, 4) == 0);
    tsr_reactor_cancel_copy(reactor, in);
    check_idle();
    close(output[0]);
    close(input[1]);
    no_event(0);
}

static atomic_int chained;

static void count_signal(int number)
{
    chained += number == SIGCHLD;
}

static void test_children(void)
{
    chained = 0;
    signal(SIGCHLD, count_signal);
    uint64_t token = ++last_token;
    CHECK(tsr_reactor_watch_children(reactor, token, &error) == 0);
    for (int round = 1; round <= 3; round++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        CHECK(event_of(token) == 0);
        CHECK(waitpid(pid, NULL, 0) == pid);
        CHECK(chained == round);
    }
    no_event(20);
}

/* Many of everything leave no fd and no memory behind. */
static void test_leaks(int rounds)
{
    int fds[2];
    make_pipe(fds);
    int before = count_fds();
    for (int round = 0; round < rounds; round++) {
        uint64_t token = watch(fds[0], false);
        tsr_reactor_unwatch(reactor, token);
        event_of(watch(fds[1], true));
        struct ends ends = copy_pipes();
        CHECK(write(ends.in, "x", 1) == 1);
        close(ends.in);
        if (round % 2 == 0)
            tsr_reactor_cancel_copy(reactor, ends.token);
        else
            CHECK(event_of(ends.token) == 0);
        close(ends.out);
    }
    usleep(20 * 1000);
    CHECK(count_fds() == before);
    close(fds[0]);
    close(fds[1]);
    no_event(0);
}

static void run_all(void)
{
    static struct ends (*const makers[])(void) = {copy_pipes, copy_sockets, copy_mixed};
    start();
    test_watch();
    test_unwatch();
    for (size_t index = 0; index < sizeof makers / sizeof makers[0]; index++) {
        test_stream(makers[index], 3 << 20, false);
        test_stream(makers[index], 3 << 20, true);
        test_hang_up_while_full(makers[index]);
        test_vanished_reader(makers[index]);
        test_cancel(makers[index]);
    }
    test_many();
    test_fairness();
    test_fifo();
    test_file();
    test_refused_splice();
    test_terminal();
    test_children();
    test_leaks(500);
    /* with everything under way */
    struct ends ends = copy_pipes();
    watch(ends.out, false);
    stop();
    close(ends.in);
    close(ends.out);
}

int main(int argc, char **argv)
{
    if (argc > 1) { /* by hand: ROUNDS, to look at the memory */
        start();
        for (int round = 0; round < 5; round++) {
            test_leaks(atoi(argv[1]) / 5);
            struct rusage usage;
            getrusage(RUSAGE_SELF, &usage);
            printf("fds %d, max rss %ld KiB\n", count_fds(), usage.ru_maxrss);
        }
        stop();
        return 0;
    }
    CHECK(mkdtemp(scratch) != NULL);
    run_all(); /* the eventfd of SIGCHLD stays */
    int before = count_fds();
    run_all();
    CHECK(count_fds() == before);
    CHECK(rmdir(scratch) == 0);
    puts("ok");
    return 0;
}
