/* The socket between init and its parent: reports out, answers in (diagram: runtime/README.md). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "init.h"
#include "sys.h"

#define MAX_TEXT 4096

static bool send_with_fd(const struct init *c, const void *data, size_t size, int fd) {
    struct iovec part = {(void *)data, size};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
    ssize_t sent;
    do {
        sent = sendmsg(c->sync_fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

bool send_message(const struct init *c, enum message_type type, int error, uint32_t value,
                  const char *text, size_t length, int fd) {
    struct message head = {
        .type = (uint32_t)type, .index = c->index, .error = error, .value = value};
    char packet[sizeof head + MAX_TEXT];
    if (length > MAX_TEXT)
        length = MAX_TEXT;
    memcpy(packet, &head, sizeof head);
    if (length > 0)
        memcpy(packet + sizeof head, text, length);
    if (fd >= 0)
        return send_with_fd(c, packet, sizeof head + length, fd);
    /* write and not send: a profile that forbids the network forbids that, and none may notify write */
    ssize_t sent;
    do {
        sent = write(c->sync_fd, packet, sizeof head + length);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

bool receive_answer(struct init *c) {
    uint32_t answer = 0;
    struct iovec part = {&answer, sizeof answer};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    ssize_t got;
    do {
        got = recvmsg(c->sync_fd, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < (ssize_t)sizeof answer)
        return false;
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
    if (cmsg != NULL && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
        cmsg->cmsg_len == CMSG_LEN(sizeof(int))) {
        if (c->state_fd >= 0)
            close(c->state_fd);
        memcpy(&c->state_fd, CMSG_DATA(cmsg), sizeof(int));
    }
    return true;
}

_Noreturn void report_and_exit(struct init *c, int error) {
    send_trace(c);
    char text[sizeof c->detail + 128];
    const char *step = c->step == NULL ? "" : c->step;
    size_t step_length = strnlen(step, 100), detail_length = strlen(c->detail);
    memcpy(text, step, step_length);
    text[step_length] = 0;
    memcpy(text + step_length + 1, c->detail, detail_length);
    send_message(c, MESSAGE_ERROR, error, 0, text, step_length + 1 + detail_length, -1);
    _exit(1);
}

void set_detail(struct init *c, const char *a, const char *b) {
    snprintf(c->detail, sizeof c->detail, "%s%s", a, b == NULL ? "" : b);
}
