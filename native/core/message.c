/* sendmsg and recvmsg with SCM_RIGHTS: whole messages, no fd ever leaked. */
#define _GNU_SOURCE
#include "message.h"

#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int tsr_message_send(int socket, const void *data, size_t size, const int *fds, size_t nfds,
                     struct tsr_error *error)
{
    if (size == 0 || nfds > TSR_MESSAGE_MAX_FDS)
        return tsr_fail_with(error, EINVAL, "sendmsg");

    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr header;
    memset(&header, 0, sizeof header);
    header.msg_iov = &iov;
    header.msg_iovlen = 1;
    _Alignas(struct cmsghdr) unsigned char control[CMSG_SPACE(sizeof(int) * TSR_MESSAGE_MAX_FDS)];
    if (nfds > 0) {
        memset(control, 0, sizeof control);
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
        memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
    }
    while (iov.iov_len > 0) {
        ssize_t sent = sendmsg(socket, &header, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            /* Somebody made the socket non-blocking. */
            struct pollfd writable = {.fd = socket, .events = POLLOUT};
            poll(&writable, 1, -1);
        } else if (sent < 0 && errno != EINTR) {
            return tsr_fail(error, "sendmsg");
        } else if (sent > 0) {
            /* Only stream sockets send in parts. The fds left with the first part. */
            iov.iov_base = (unsigned char *)iov.iov_base + sent;
            iov.iov_len -= (size_t)sent;
            header.msg_control = NULL;
            header.msg_controllen = 0;
        }
    }
    return 0;
}

/* Collects the fds of all SCM_RIGHTS records; what exceeds the array (it cannot) is closed. */
static void collect_fds(struct msghdr *header, struct tsr_message *message)
{
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg != NULL;
         cmsg = CMSG_NXTHDR(header, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t index = 0; index < count; index++) {
            int fd;
            memcpy(&fd, CMSG_DATA(cmsg) + index * sizeof fd, sizeof fd);
            if (message->nfds < TSR_MESSAGE_MAX_FDS)
                message->fds[message->nfds++] = fd;
            else
                close(fd);
        }
    }
}

int tsr_message_receive(int socket, struct tsr_message *message, struct tsr_error *error)
{
    _Alignas(struct cmsghdr) unsigned char control[CMSG_SPACE(sizeof(int) * TSR_MESSAGE_MAX_FDS)];
    struct iovec iov = {.iov_base = message->data, .iov_len = sizeof message->data};
    struct msghdr header;
    ssize_t size;
    bool was_reset = false;

    message->nfds = 0;
    message->size = 0;
    for (;;) {
        memset(&header, 0, sizeof header);
        header.msg_iov = &iov;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        size = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size >= 0)
            break;
        /*
         * A peer that closes with our messages unread raises ECONNRESET once, ahead of what it sent
         * before (unix_release_sock): its last words, such as an error report, come after it.
         */
        if (errno == ECONNRESET && !was_reset)
            was_reset = true;
        else if (errno != EINTR)
            return tsr_fail(error, "recvmsg");
    }
    collect_fds(&header, message);
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        for (size_t index = 0; index < message->nfds; index++)
            close(message->fds[index]);
        message->nfds = 0;
        return tsr_fail_with(error, EMSGSIZE, "recvmsg");
    }
    message->size = (size_t)size;
    return size > 0 || message->nfds > 0 ? 1 : 0;
}
