/* The last operations: which fds are left, which program is found; and the socket to the parent. */
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "start_init.h"

static struct init init;
static int pair[2];

static void connect_init(void) {
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    init.sync_fd = pair[1];
}

static bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

static bool is_passed_on(int fd) {
    return fcntl(fd, F_GETFD) == 0;
}

static int move_fd(int fd, int to) {
    if (fd == to)
        return fd;
    CHECK(dup3(fd, to, O_CLOEXEC) == to);
    close(fd);
    return to;
}

/* In a child: most fds of the process are gone afterwards. */
static void seal(uint32_t first, int keep, int state) {
    start_init(&init);
    connect_init();
    init.sync_fd = move_fd(init.sync_fd, 70);
    init.proc_fd = move_fd(init.proc_fd, 60);
    init.slots[5] = move_fd(open("/", O_PATH), 61);
    init.slots[6] = move_fd(open("/", O_PATH), 90);
    init.root_fd = move_fd(open("/", O_PATH), 4);
    if (keep >= 0)
        move_fd(open("/dev/null", O_RDONLY), keep);
    if (state >= 0)
        init.state_fd = move_fd(open("/dev/null", O_RDONLY), state);
    move_fd(open("/dev/null", O_RDONLY), 3);
    struct tsr_args_seal_fds args = {.first = first, .keep = keep};
    CHECK(op_seal_fds(&init, &args) == 0);
    for (int fd = 3; fd < 200; fd++) {
        bool kept = fd == 70 || fd == keep || fd == state || fd < (int)first;
        CHECK(is_open(fd) == kept);
        CHECK(is_passed_on(fd) == (fd < (int)first));
    }
    CHECK(is_open(0) && is_open(1) && is_open(2));
    CHECK(init.proc_fd == -1 && init.root_fd == -1 && init.slots[5] == -1 && init.slots[6] == -1);
}

static void refuse_seal(void) {
    start_init(&init);
    connect_init();
    struct tsr_args_seal_fds under = {.first = 2, .keep = -1};
    CHECK(op_seal_fds(&init, &under) == -EBADF);
    /* our own socket would be passed on to the program */
    struct tsr_args_seal_fds over = {.first = (uint32_t)init.sync_fd + 1, .keep = -1};
    CHECK(op_seal_fds(&init, &over) == -EBADF);
    init.sync_fd = move_fd(init.sync_fd, 70);
    struct tsr_args_seal_fds gap = {.first = 65, .keep = -1};
    CHECK(op_seal_fds(&init, &gap) == -EBADF); /* a preserved fd that is not there */
}

static void in_child(void (*work)(void)) {
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        work();
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void seal_all(void) {
    seal(3, -1, -1);
}
static void seal_with_gate(void) {
    seal(3, 71, -1);
}
static void seal_with_state(void) {
    seal(4, 5, 69);
}
static void seal_and_pass(void) {
    seal(5, 199, 5);
}

static int find(const char *name, const char *path) {
    struct tsr_args_find_executable args = {.name = name, .search_path = path};
    return op_find_executable(&init, &args);
}

static void test_look_up(void) {
    static char text[3 * PATH_MAX];
    start_init(&init);
    CHECK(find("sh", "/nonexistent:/etc:/bin") == 0 && strcmp(init.executable, "/bin/sh") == 0);
    CHECK(find("/bin/sh", "") == 0 && strcmp(init.executable, "/bin/sh") == 0);
    CHECK(find("passwd", "/etc") == -ENOENT); /* a file, but nobody may execute it */
    CHECK(find("/etc/passwd", "") == -EACCES);
    CHECK(find("/etc", "") == -EISDIR);
    CHECK(find("/nonexistent", "") == -ENOENT);
    CHECK(find("", "/bin") == -ENOENT);
    CHECK(find("sh", "") == -ENOENT && find("sh", ":::") == -ENOENT);
    memset(text, 'x', sizeof text - 1);
    CHECK(find(text, "/bin") == -ENOENT);
    CHECK(find("sh", text) == -ENOENT);
    text[0] = '/';
    CHECK(find(text, "") == -ENAMETOOLONG);
    memcpy(text + sizeof text - 6, ":/bin", 6);
    CHECK(find("sh", text) == 0 && strcmp(init.executable, "/bin/sh") == 0);
    close(init.proc_fd);
}

static void test_messages(void) {
    static char text[10000], packet[10000];
    struct message head;
    start_init(&init);
    connect_init();
    init.index = 7;
    memset(text, 't', sizeof text);
    CHECK(send_message(&init, MESSAGE_CAPABILITY, -5, 9, text, sizeof text, -1));
    CHECK(recv(pair[0], packet, sizeof packet, 0) == (ssize_t)sizeof head + 4096);
    memcpy(&head, packet, sizeof head);
    CHECK(head.type == MESSAGE_CAPABILITY && head.index == 7 && head.error == -5 && head.value == 9);
    CHECK(send_message(&init, MESSAGE_EXEC, 0, 0, NULL, 0, -1));
    CHECK(recv(pair[0], packet, sizeof packet, 0) == (ssize_t)sizeof head);
    CHECK(send_message(&init, MESSAGE_CONSOLE, 0, 0, "name", 4, 0));
    CHECK(recv(pair[0], packet, sizeof packet, 0) == (ssize_t)sizeof head + 4);
    CHECK(send(pair[0], "\1\0\0", 3, 0) == 3 && !receive_answer(&init)); /* too short */
    CHECK(send(pair[0], "\1\0\0\0", 4, 0) == 4 && receive_answer(&init) && init.state_fd == -1);
    close(pair[0]);
    CHECK(!receive_answer(&init));
    signal(SIGPIPE, SIG_IGN); /* as in main.c */
    CHECK(!send_message(&init, MESSAGE_EXEC, 0, 0, NULL, 0, -1));
    close(pair[1]);
    close(init.proc_fd);
}

/* The state of hooks comes with an answer; a second one takes the first one's place. */
static void test_state(void) {
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    uint32_t answer = 1;
    struct iovec part = {&answer, sizeof answer};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    start_init(&init);
    connect_init();
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cmsg), &pair[0], sizeof(int));
    int fds = count_fds();
    for (int i = 0; i < 3; i++) {
        CHECK(sendmsg(pair[0], &message, 0) == sizeof answer);
        CHECK(receive_answer(&init) && init.state_fd >= 0);
        CHECK(fcntl(init.state_fd, F_GETFD) == FD_CLOEXEC);
    }
    CHECK(count_fds() == fds + 1);
    close(init.state_fd);
    close(pair[0]);
    close(pair[1]);
    close(init.proc_fd);
}

int main(void) {
    alarm(60);
    in_child(seal_all);
    in_child(seal_with_gate);
    in_child(seal_with_state);
    in_child(seal_and_pass);
    in_child(refuse_seal);
    int fds = count_fds();
    test_look_up();
    test_messages();
    test_state();
    CHECK(count_fds() == fds);
    puts("init_exec_test: ok");
    return 0;
}
