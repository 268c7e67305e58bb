/*
 * Messages with fds: every way in which one can be too long, empty or last, and that no fd leaks.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../core/message.h"
#include "../core/socket.h"
#include "check.h"

static struct tsr_message message;
static struct tsr_error error;

static void close_received(void)
{
    for (size_t index = 0; index < message.nfds; index++)
        close(message.fds[index]);
}

/* Sends more fds than tsr_message_send would. */
static void send_raw(int fd, size_t size, size_t nfds)
{
    static char data[TSR_MESSAGE_MAX_BYTES + 1];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * 64)];
    } control = {0};
    struct iovec iov = {.iov_base = data, .iov_len = size};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
    if (nfds > 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
        for (size_t index = 0; index < nfds; index++)
            memcpy(CMSG_DATA(cmsg) + index * sizeof fd, &fd, sizeof fd);
    }
    CHECK(sendmsg(fd, &header, 0) == (ssize_t)size);
}

static void test_sizes(const int pair[2])
{
    static const struct {
        size_t size, nfds;
        int result;
    } cases[] = {
        {1, 0, 1},  {1, 1, 1},  {1, 8, 1},   {TSR_MESSAGE_MAX_BYTES, 8, 1}, {0, 1, 1},
        {0, 0, 0},  {1, 9, -1}, {1, 64, -1}, {TSR_MESSAGE_MAX_BYTES + 1, 0, -1},
        {TSR_MESSAGE_MAX_BYTES + 1, 8, -1},  {TSR_MESSAGE_MAX_BYTES + 1, 64, -1},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        int before = count_fds();
        send_raw(pair[0], cases[index].size, cases[index].nfds);
        CHECK(tsr_message_receive(pair[1], &message, &error) == cases[index].result);
        if (cases[index].result < 0) {
            CHECK(error.number == EMSGSIZE);
            CHECK(message.nfds == 0);
        } else {
            CHECK(message.size == cases[index].size);
            CHECK(message.nfds == cases[index].nfds);
            for (size_t fd = 0; fd < message.nfds; fd++)
                CHECK(fcntl(message.fds[fd], F_GETFD) == FD_CLOEXEC);
            close_received();
        }
        CHECK(count_fds() == before);
    }
    CHECK(tsr_message_receive(pair[1], &message, &error) == -1 && error.number == EAGAIN);
}

static void test_last_words(void)
{
    int pair[2];
    CHECK(tsr_socket_pair(pair, &error) == 0);
    CHECK(tsr_message_send(pair[1], "unread", 6, NULL, 0, &error) == 0);
    CHECK(tsr_message_send(pair[0], "bye", 3, pair, 1, &error) == 0);
    close(pair[0]);
    CHECK(tsr_message_receive(pair[1], &message, &error) == 1);
    CHECK(message.size == 3 && memcmp(message.data, "bye", 3) == 0 && message.nfds == 1);
    close_received();
    CHECK(tsr_message_receive(pair[1], &message, &error) == 0);
    CHECK(tsr_message_send(pair[1], "x", 1, NULL, 0, &error) == -1 && error.number == EPIPE);
    close(pair[1]);
}

/* A stream socket takes a message in parts, the fds with the first. */
static void test_stream(void)
{
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    static unsigned char data[1 << 20];
    memset(data, 'a', sizeof data);
    pid_t child = fork();
    if (child == 0) {
        CHECK(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
        CHECK(tsr_message_send(pair[0], data, sizeof data, pair, 2, &error) == 0);
        _exit(0);
    }
    close(pair[0]);
    size_t total = 0, fds = 0;
    for (;;) {
        int result = tsr_message_receive(pair[1], &message, &error);
        if (result < 0) {
            CHECK(error.number == EAGAIN);
            usleep(1000);
            continue;
        }
        total += message.size;
        fds += message.nfds;
        close_received();
        if (total == sizeof data)
            break;
        CHECK(result == 1);
    }
    CHECK(fds == 2);
    close(pair[1]);
}

int main(void)
{
    int pair[2];
    CHECK(tsr_socket_pair(pair, &error) == 0);
    test_sizes(pair);
    CHECK(tsr_message_send(pair[0], "", 0, NULL, 0, &error) == -1 && error.number == EINVAL);
    CHECK(tsr_message_send(pair[0], "x", 1, pair, 9, &error) == -1 && error.number == EINVAL);
    close(pair[0]);
    close(pair[1]);
    test_last_words();
    test_stream();
    puts("core_message_test: ok");
    return 0;
}
