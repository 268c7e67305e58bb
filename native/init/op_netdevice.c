/* Moves a network interface into a container's network namespace: rtnetlink(7), no more than that needs. */
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "init.h"
#include "sys.h"

#define ADDRESSES_SIZE (64 * 1024)
#define REPLY_SIZE (32 * 1024)

/* A request that grows by attributes. */
struct request {
    struct nlmsghdr header;
    char body[1024];
};

/* What is known of the interface between its two homes. */
struct device {
    int index;
    char addresses[ADDRESSES_SIZE]; /* RTM_NEWADDR messages, as they came */
    size_t size;
};

static struct device device; /* too large for a stack */

static int open_netlink(struct init *c) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    return fd < 0 ? failed(c, "socket") : fd;
}

static void start_request(struct request *r, uint16_t type, uint16_t flags, const void *fixed,
                          size_t size) {
    memset(r, 0, sizeof *r);
    r->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
    r->header.nlmsg_type = type;
    r->header.nlmsg_flags = NLM_F_REQUEST | flags;
    memcpy(NLMSG_DATA(&r->header), fixed, size);
}

static bool add_attribute(struct request *r, uint16_t type, const void *data, size_t size) {
    size_t at = NLMSG_ALIGN(r->header.nlmsg_len);
    if (at + RTA_SPACE(size) > sizeof *r)
        return false;
    struct rtattr *attribute = (struct rtattr *)((char *)r + at);
    attribute->rta_type = type;
    attribute->rta_len = (uint16_t)RTA_LENGTH(size);
    memcpy(RTA_DATA(attribute), data, size);
    r->header.nlmsg_len = (uint32_t)(at + RTA_LENGTH(size));
    return true;
}

/* Sends a request and waits for its acknowledgement. */
static int perform_request(struct init *c, int fd, struct request *r, const char *step) {
    char reply[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
    r->header.nlmsg_flags |= NLM_F_ACK;
    if (send(fd, r, r->header.nlmsg_len, 0) < 0)
        return failed(c, step);
    ssize_t length = recv(fd, reply, sizeof reply, 0);
    if (length < 0)
        return failed(c, step);
    const struct nlmsghdr *answer = (const struct nlmsghdr *)reply;
    if (!NLMSG_OK(answer, (size_t)length) || answer->nlmsg_type != NLMSG_ERROR ||
        (size_t)length < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
        return refused(c, step, EPROTO);
    int error = ((const struct nlmsgerr *)NLMSG_DATA(answer))->error;
    return error == 0 ? 0 : refused(c, step, -error);
}

/* Only what somebody has set and other hosts can see: link-local and leased addresses are made anew. */
static bool is_kept(const struct nlmsghdr *message, int index) {
    const struct ifaddrmsg *address = NLMSG_DATA(message);
    return message->nlmsg_type == RTM_NEWADDR &&
           message->nlmsg_len >= NLMSG_LENGTH(sizeof *address) &&
           (int)address->ifa_index == index && address->ifa_scope == RT_SCOPE_UNIVERSE &&
           (address->ifa_flags & IFA_F_PERMANENT) != 0;
}

/* One datagram of a dump. 1: the dump is complete. */
static int take_addresses(struct init *c, const char *reply, size_t left) {
    const struct nlmsghdr *message = (const struct nlmsghdr *)reply;
    left &= ~(size_t)(NLMSG_ALIGNTO - 1); /* NLMSG_NEXT takes off whole words, it must not wrap */
    for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
        if (message->nlmsg_type == NLMSG_DONE)
            return 1;
        if (message->nlmsg_type == NLMSG_ERROR &&
            message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr)))
            return refused(c, "read addresses",
                           -((const struct nlmsgerr *)NLMSG_DATA(message))->error);
        if (!is_kept(message, device.index))
            continue;
        size_t size = NLMSG_ALIGN(message->nlmsg_len);
        if (device.size + size > sizeof device.addresses)
            return refused(c, "read addresses", E2BIG);
        memcpy(device.addresses + device.size, message, message->nlmsg_len);
        device.size += size;
    }
    return 0;
}

static int read_addresses(struct init *c, int fd) {
    static char reply[REPLY_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct request r;
    struct ifaddrmsg any = {.ifa_family = AF_UNSPEC};
    device.size = 0;
    start_request(&r, RTM_GETADDR, NLM_F_DUMP, &any, sizeof any);
    if (send(fd, &r, r.header.nlmsg_len, 0) < 0)
        return failed(c, "read addresses");
    for (;;) {
        ssize_t length = recv(fd, reply, sizeof reply, 0);
        if (length < 0)
            return failed(c, "read addresses");
        int result = take_addresses(c, reply, (size_t)length);
        if (result != 0)
            return result < 0 ? result : 0;
    }
}

static int move(struct init *c, int fd, const struct tsr_args_move_net_device *a) {
    struct request r;
    struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_index = device.index};
    start_request(&r, RTM_NEWLINK, 0, &link, sizeof link);
    /* one request: the name changes on the way, so that it only has to be free in the container */
    if (!add_attribute(&r, IFLA_NET_NS_FD, &a->fd, sizeof a->fd) ||
        !add_attribute(&r, IFLA_IFNAME, a->new_name, strlen(a->new_name) + 1))
        return refused(c, "move", ENAMETOOLONG);
    return perform_request(c, fd, &r, "move");
}

static int add_address(struct init *c, int fd, const struct nlmsghdr *message, int index) {
    struct request r;
    struct ifaddrmsg address = *(const struct ifaddrmsg *)NLMSG_DATA(message);
    address.ifa_index = (uint32_t)index;
    start_request(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &address, sizeof address);
    int left = (int)IFA_PAYLOAD(message);
    const struct rtattr *from = IFA_RTA((const struct ifaddrmsg *)NLMSG_DATA(message));
    for (; RTA_OK(from, left); from = RTA_NEXT(from, left)) {
        /* a label starts with the old name, and lifetimes are those of an address for ever */
        if (from->rta_type == IFA_LABEL || from->rta_type == IFA_CACHEINFO)
            continue;
        if (!add_attribute(&r, from->rta_type, RTA_DATA(from), RTA_PAYLOAD(from)))
            return refused(c, "add address", E2BIG);
    }
    int result = perform_request(c, fd, &r, "add address");
    return result == -EEXIST ? 0 : result;
}

static int bring_up(struct init *c, int fd, int index) {
    struct request r;
    struct ifinfomsg link = {
        .ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    start_request(&r, RTM_NEWLINK, 0, &link, sizeof link);
    return perform_request(c, fd, &r, "bring up");
}

/* In the container's network namespace. */
static int settle(struct init *c, const char *name) {
    int index = (int)if_nametoindex(name);
    if (index == 0)
        return failed(c, "find in container");
    int fd = open_netlink(c);
    if (fd < 0)
        return fd;
    int result = 0;
    size_t left = device.size;
    const struct nlmsghdr *message = (const struct nlmsghdr *)device.addresses;
    for (; result == 0 && NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
        result = add_address(c, fd, message, index);
    if (result == 0)
        result = bring_up(c, fd, index);
    close(fd);
    return result;
}

/* The kernel would find out after the move, and the container's end takes a virtual interface with it. */
static int check_name(struct init *c, const char *name) {
    return if_nametoindex(name) == 0 ? 0 : refused(c, "find in container", EEXIST);
}

/* Does one thing in the other namespace. */
static int visit(struct init *c, int there, const char *name,
                 int (*work)(struct init *c, const char *name)) {
    int here = openat(c->proc_fd, "self/ns/net", O_RDONLY | O_CLOEXEC);
    if (here < 0)
        return failed(c, "open ns/net");
    int result = setns(there, CLONE_NEWNET) == 0 ? work(c, name) : failed(c, "setns");
    if (setns(here, CLONE_NEWNET) != 0 && result == 0)
        result = failed(c, "setns");
    close(here);
    return result;
}

int op_move_net_device(struct init *c, const struct tsr_args_move_net_device *a) {
    device.index = (int)if_nametoindex(a->name);
    if (device.index == 0)
        return failed(c, "find");
    int result = visit(c, a->fd, a->new_name, check_name);
    if (result < 0)
        return result;
    int fd = open_netlink(c);
    if (fd < 0)
        return fd;
    result = read_addresses(c, fd);
    if (result == 0)
        result = move(c, fd, a);
    close(fd);
    return result < 0 ? result : visit(c, a->fd, a->new_name, settle);
}
