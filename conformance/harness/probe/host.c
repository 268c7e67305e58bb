// Helpers that run on the host for a test: what node cannot do (ptys, SCM_RIGHTS, subreapers),
// spoken in JSON lines.
//
//   probe host-pty ROWS COLS -- CMD...   run CMD on a new pty; stdin takes commands, stdout gives
//   events probe host-console SOCKET            receive one descriptor on a unix socket, then relay
//   it the same way probe host-notify SOCKET             print the datagrams that arrive on a unix
//   socket probe host-subreaper -- CMD...       run CMD as a subreaper, report who is left as our
//   child, reap on stdin EOF probe hook FILE NAME [STATUS [MS]]   a hook: append what it sees to
//   FILE, sleep MS, exit STATUS
//
// Commands on stdin, one a line: "send TEXT" (\n, \e and \xHH escapes), "resize ROWS COLS", "signal
// N", "termios", "close".
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "json.h"
#include "probe.h"

static void put_termios(const char *event, int fd)
{
    struct termios t;
    struct winsize size = {0};
    memset(&t, 0, sizeof(t));
    int failed = tcgetattr(fd, &t) < 0;
    ioctl(fd, TIOCGWINSZ, &size);
    json_object(NULL);
    json_string("event", event);
    json_bool("valid", !failed);
    json_number("iflag", t.c_iflag);
    json_number("oflag", t.c_oflag);
    json_number("cflag", t.c_cflag);
    json_number("lflag", t.c_lflag);
    json_bool("echo", t.c_lflag & ECHO);
    json_bool("canonical", t.c_lflag & ICANON);
    json_bool("onlcr", t.c_oflag & ONLCR);
    json_number("rows", size.ws_row);
    json_number("cols", size.ws_col);
    json_end();
    json_line();
}

static void put_event(const char *event, const char *key, long long value)
{
    json_object(NULL);
    json_string("event", event);
    if (key)
        json_number(key, value);
    json_end();
    json_line();
}

static void put_output(const char *data, ssize_t size)
{
    char text[4097];
    memcpy(text, data, (size_t)size);
    text[size] = '\0';
    json_object(NULL);
    json_string("event", "output");
    json_string("text", text);
    json_end();
    json_line();
}

static void send_escaped(int fd, const char *text)
{
    for (; *text; text++) {
        char c = *text;
        if (c == '\\' && text[1]) {
            text++;
            c = *text == 'n' ? '\n' : *text == 'e' ? 27 : *text;
            if (*text == 'x' && text[1] && text[2]) {
                char hex[3] = {text[1], text[2], 0};
                c = (char)strtol(hex, NULL, 16);
                text += 2;
            }
        }
        if (write(fd, &c, 1) < 0)
            return;
    }
}

// Returns 0 when the terminal shall be closed.
static int obey(char *line, int fd, pid_t child)
{
    int rows, cols, sig;
    if (strncmp(line, "send ", 5) == 0) {
        send_escaped(fd, line + 5);
    } else if (sscanf(line, "resize %d %d", &rows, &cols) == 2) {
        struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
        ioctl(fd, TIOCSWINSZ, &size);
    } else if (sscanf(line, "signal %d", &sig) == 1) {
        if (child > 0)
            kill(child, sig);
    } else if (strcmp(line, "termios") == 0) {
        put_termios("termios", fd);
    } else if (strcmp(line, "close") == 0) {
        return 0;
    }
    return 1;
}

// Reads what has come on stdin and obeys each full line; returns 0 on end of file or "close".
static int read_commands(int fd, pid_t child)
{
    static char buffer[8192];
    static size_t used;
    ssize_t n = read(0, buffer + used, sizeof(buffer) - used - 1);
    if (n <= 0)
        return 0;
    used += (size_t)n;
    buffer[used] = '\0';
    char *start = buffer, *newline;
    while ((newline = strchr(start, '\n'))) {
        *newline = '\0';
        if (!obey(start, fd, child))
            return 0;
        start = newline + 1;
    }
    used = strlen(start);
    memmove(buffer, start, used + 1);
    return 1;
}

// Relays until the terminal hangs up (when child is 0), the child has ended and its output is
// drained, or a command closes it.
static void relay(int fd, pid_t child, int *status)
{
    char data[4096];
    int commands = 1, ended = 0;
    for (;;) {
        struct pollfd fds[2] = {{.fd = fd, .events = POLLIN},
                                {.fd = commands ? 0 : -1, .events = POLLIN}};
        poll(fds, 2, 20);
        if (fds[0].revents & (POLLIN | POLLHUP)) {
            ssize_t n = read(fd, data, sizeof(data));
            if (n > 0)
                put_output(data, n);
            else if (child == 0)
                return;
        }
        if (fds[1].revents && !read_commands(fd, child)) {
            if (child == 0)
                return;
            commands = 0;
        }
        if (ended && !(fds[0].revents & POLLIN))
            return;
        if (child > 0 && !ended && waitpid(child, status, WNOHANG) == child)
            ended = 1;
    }
}

static int host_pty(int argc, char **argv)
{
    if (argc < 5 || strcmp(argv[3], "--") != 0)
        return 125;
    struct winsize size = {.ws_row = (unsigned short)atoi(argv[1]),
                           .ws_col = (unsigned short)atoi(argv[2])};
    int master, slave, status = 0;
    if (openpty(&master, &slave, NULL, NULL, &size) < 0)
        return 125;
    put_termios("before", master);
    pid_t child = fork();
    if (child == 0) {
        close(master);
        login_tty(slave);
        execvp(argv[4], argv + 4);
        _exit(127);
    }
    // The slave stays open here: the settings can then be read after the command has gone.
    put_event("started", "pid", child);
    relay(master, child, &status);
    put_termios("after", master);
    put_event("exit", "status", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    close(slave);
    return 0;
}

static int receive_fd(int connection, char *name, size_t size)
{
    char control[CMSG_SPACE(sizeof(int) * 4)];
    struct iovec data = {.iov_base = name, .iov_len = size - 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
    int fd = -1;
    name[n < 0 ? 0 : n] = '\0';
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (n >= 0 && header && header->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
}

static void put_received(int fd, const char *name)
{
    char path[64], target[256] = "", line[128];
    long pid = -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    target[n < 0 ? 0 : n] = '\0';
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    FILE *info = fopen(path, "re");
    while (info && fgets(line, sizeof(line), info))
        if (sscanf(line, "Pid: %ld", &pid) == 1)
            break;
    if (info)
        fclose(info);
    json_object(NULL);
    json_string("event", "received");
    json_number("fd", fd);
    json_string("name", name);
    json_string("target", target);
    json_bool("isatty", isatty(fd));
    json_number("pid", pid);
    json_end();
    json_line();
}

static int host_console(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[4096];
    if (argc < 2 || strlen(argv[1]) >= sizeof(address.sun_path))
        return 125;
    strcpy(address.sun_path, argv[1]);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 4) < 0)
        return 125;
    put_event("listening", NULL, 0);
    struct pollfd wait[2] = {{.fd = listener, .events = POLLIN}, {.fd = 0, .events = 0}};
    while (poll(wait, 2, -1) < 0 && errno == EINTR)
        ;
    if (!(wait[0].revents & POLLIN))
        return 0; // our caller has gone without using the socket
    int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int fd = receive_fd(connection, name, sizeof(name));
    put_received(fd, name);
    close(connection);
    close(listener);
    if (fd >= 0 && isatty(fd)) {
        put_termios("termios", fd);
        relay(fd, 0, NULL);
    }
    put_event("closed", NULL, 0);
    return 0;
}

// Receives datagrams (systemd's notification protocol) until stdin ends.
static int host_notify(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[4097];
    if (argc < 2 || strlen(argv[1]) >= sizeof(address.sun_path))
        return 125;
    strcpy(address.sun_path, argv[1]);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return 125;
    put_event("listening", NULL, 0);
    for (;;) {
        struct pollfd wait[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
        poll(wait, 2, -1);
        if (wait[0].revents & POLLIN) {
            ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
            if (n >= 0)
                put_output(text, n);
        } else if (wait[1].revents) {
            return 0;
        }
    }
}

static int host_subreaper(int argc, char **argv)
{
    char path[64], text[4096] = "";
    int status = 0;
    if (argc < 3 || strcmp(argv[1], "--") != 0)
        return 125;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    waitpid(child, &status, 0);
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    FILE *file = fopen(path, "re");
    if (file) {
        size_t n = fread(text, 1, sizeof(text) - 1, file);
        text[n] = '\0';
        fclose(file);
    }
    json_object(NULL);
    json_string("event", "left");
    json_number("pid", getpid());
    json_number("status", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    json_string("children", text);
    json_end();
    json_line();
    while (read(0, text, sizeof(text)) > 0 && strstr(text, "close") == NULL)
        ;
    while (waitpid(-1, &status, WNOHANG) > 0)
        put_event("reaped", "status",
                  WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    return 0;
}

// The line in FILE is a report with two more members: "name" and "state" (the text that came on
// stdin).
static int host_hook(int argc, char **argv)
{
    static char state[65536];
    size_t used = 0;
    ssize_t n;
    if (argc < 3)
        return 125;
    while (used < sizeof(state) - 1 && (n = read(0, state + used, sizeof(state) - 1 - used)) > 0)
        used += (size_t)n;
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return 124;
    int saved = dup(1);
    setvbuf(stdout, NULL, _IOFBF,
            1 << 18); // one write(2) a line: hooks of several containers share the file
    dup2(fd, 1);
    json_object(NULL);
    json_string("name", argv[2]);
    json_string("state", state);
    report_identity();
    report_namespaces();
    report_fds();
    report_signals();
    json_end();
    json_line();
    dup2(saved, 1);
    close(fd);
    if (argc > 4)
        usleep((useconds_t)atoi(argv[4]) * 1000);
    if (argc > 3 && atoi(argv[3]) != 0)
        fprintf(stderr, "hook %s says no\n", argv[2]);
    return argc > 3 ? atoi(argv[3]) : 0;
}

// Exchanges the two names over and over, as fast as the kernel can, until stdin is closed.
static int host_exchange(int argc, char **argv)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    long long count = 0;
    if (argc != 3)
        return 125;
    put_event("started", NULL, 0);
    while (poll(&input, 1, 0) == 0) {
        for (int i = 0; i < 64; i++, count++) {
            if (syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], 2 /* EXCHANGE */) != 0)
                return 124;
        }
    }
    put_event("closed", "exchanges", count);
    return 0;
}

const struct probe_command host_actions[] = {
    {"host-pty", host_pty, "host-pty ROWS COLS -- CMD..."},
    {"host-console", host_console, "host-console SOCKET"},
    {"host-notify", host_notify, "host-notify SOCKET"},
    {"host-subreaper", host_subreaper, "host-subreaper -- CMD..."},
    {"host-exchange", host_exchange, "host-exchange PATH PATH"},
    {"hook", host_hook, "hook FILE NAME [STATUS [MS]]"},
    {NULL, NULL, NULL},
};
