// Actions of a process: exit, signals, children, memory, raw system calls, terminal size.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "json.h"
#include "probe.h"

static int act_exit(int argc, char **argv)
{
    fflush(stdout);
    _exit(argc > 1 ? atoi(argv[1]) : 0);
}

// say TEXT [N]: one line on stdout, or on descriptor N.
static int act_say(int argc, char **argv)
{
    dprintf(argc > 2 ? atoi(argv[2]) : 1, "%s\n", argv[1]);
    return 0;
}

// signal-self N: a PID 1 cannot be killed by an unhandled signal of its own, so the default action
// needs a child there.
static int act_signal_self(int argc, char **argv)
{
    int sig = parse_signal(argc > 1 ? argv[1] : "TERM");
    fflush(stdout);
    raise(sig);
    return 123;
}

// sleep [SECONDS]: forever without a number; default dispositions, so a PID 1 reacts to SIGKILL
// only.
static int act_sleep(int argc, char **argv)
{
    if (argc > 1) {
        usleep((useconds_t)(atof(argv[1]) * 1e6));
        return 0;
    }
    for (;;)
        pause();
}

static volatile sig_atomic_t last_signal;

static void remember_signal(int sig)
{
    last_signal = sig;
}

// The libc keeps 32 to 34 for itself: those cannot be caught here.
// catch: prints "ready", then one line {"signal":N} for every signal that arrives; a TERM ends it
// with status 0.
static int act_catch(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct sigaction action = {.sa_handler = remember_signal};
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    for (int sig = 1; sig <= 64; sig++)
        if (sig != SIGKILL && sig != SIGSTOP)
            sigaction(sig, &action, NULL);
    dprintf(1, "ready\n");
    for (;;) {
        sigset_t none;
        sigemptyset(&none);
        sigsuspend(&none);
        dprintf(1, "{\"signal\":%d}\n", (int)last_signal);
        if (last_signal == SIGTERM)
            return 0;
    }
}

static int act_ignore_term(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    signal(SIGTERM, SIG_IGN);
    return 0;
}

// children N: N children that sleep for ever; prints how many were made.
static int act_children(int argc, char **argv)
{
    int wanted = argc > 1 ? atoi(argv[1]) : 1, made = 0, err = 0;
    fflush(stdout);
    for (; made < wanted; made++) {
        pid_t pid = fork();
        if (pid < 0) {
            err = errno;
            break;
        }
        if (pid == 0)
            for (;;)
                pause();
    }
    return print_outcome("children", NULL, err, made);
}

// orphan FILE: a grandchild in a session of its own that ignores everything; writes its pid (in
// this namespace) to stdout.
static int act_orphan(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        for (int sig = 1; sig < 32; sig++)
            signal(sig, SIG_IGN);
        if (fork() == 0)
            for (;;)
                pause();
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    return print_outcome("orphan", NULL, 0, 1);
}

// alloc MIB: touches that much memory; a limit kills the process here.
static int act_alloc(int argc, char **argv)
{
    size_t size = (size_t)(argc > 1 ? atoi(argv[1]) : 1) << 20;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return print_outcome("alloc", argv[1], errno, -1);
    for (size_t i = 0; i < size; i += 4096)
        memory[i] = 1;
    return print_outcome("alloc", argv[1], 0, (long long)(size >> 20));
}

// alloc-child MIB: the same in a child; prints the child's wait status, so that an OOM kill can be
// watched.
static int act_alloc_child(int argc, char **argv)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        act_alloc(argc, argv);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return print_outcome("alloc-child", argv[1], 0,
                         WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static const struct {
    const char *name;
    long number;
} syscalls[] = {
    {"acct", SYS_acct},
    {"add_key", SYS_add_key},
    {"bpf", SYS_bpf},
    {"chroot", SYS_chroot},
    {"clone", SYS_clone},
    {"clone3", 435},
    {"fsopen", 430},
    {"getpid", SYS_getpid},
    {"getppid", SYS_getppid},
    {"io_uring_setup", 425},
    {"kcmp", SYS_kcmp},
    {"kexec_load", SYS_kexec_load},
    {"keyctl", SYS_keyctl},
    {"mbind", SYS_mbind},
    {"mount", SYS_mount},
    {"move_pages", SYS_move_pages}, {"munlockall", SYS_munlockall},
    {"open_by_handle_at", SYS_open_by_handle_at},
    {"perf_event_open", SYS_perf_event_open},
    {"personality", SYS_personality},
    {"pivot_root", SYS_pivot_root},
    {"process_vm_readv", SYS_process_vm_readv},
    {"ptrace", SYS_ptrace},
    {"reboot", SYS_reboot},
    {"request_key", SYS_request_key},
    {"setns", SYS_setns},
    {"settimeofday", SYS_settimeofday},
    {"socket", SYS_socket},
    {"swapon", SYS_swapon},
    {"umount2", SYS_umount2},
    {"uname", SYS_uname},
    {"unshare", SYS_unshare},
    {"userfaultfd", SYS_userfaultfd},
    {"sethostname", SYS_sethostname},
};

// syscall NAME|NUMBER [ARG...]: numeric arguments, zero by default; prints result and errno. The
// call is really made.
static int act_syscall(int argc, char **argv)
{
    long number = -1, args[6] = {0};
    if (argc < 2)
        return 125;
    for (size_t i = 0; i < sizeof(syscalls) / sizeof(syscalls[0]); i++)
        if (strcmp(syscalls[i].name, argv[1]) == 0)
            number = syscalls[i].number;
    if (number < 0)
        number = strtol(argv[1], NULL, 0);
    for (int i = 2; i < argc && i < 8; i++)
        args[i - 2] = strtol(argv[i], NULL, 0);
    fflush(stdout);
    errno = 0;
    long result = syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
    return print_outcome("syscall", argv[1], result < 0 ? errno : 0, result);
}

// syscall32 NUMBER: a call of the 32-bit table from this 64-bit program, as a filter's second
// architecture sees it.
static int act_syscall32(int argc, char **argv)
{
#if defined(__x86_64__)
    if (argc < 2)
        return 125;
    long result;
    fflush(stdout);
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(strtol(argv[1], NULL, 0)), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0)
                     : "memory", "r8", "r9", "r10", "r11");
    int failed = result < 0 && result > -4096;
    return print_outcome("syscall32", argv[1], failed ? (int)-result : 0, failed ? -1 : result);
#else
    return print_outcome("syscall32", argc > 1 ? argv[1] : "", ENOSYS, -1);
#endif
}

// overwrite-exe PID: CVE-2019-5736. Keeps PID's program open, waits until nobody runs it any more,
// then opens it for writing and writes back what it read. A runtime is safe when the outcome has an
// errno.
static int act_overwrite_exe(int argc, char **argv)
{
    char path[64], bytes[4];
    if (argc < 2)
        return 125;
    snprintf(path, sizeof(path), "/proc/%s/exe", argv[1]);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return print_outcome("overwrite-exe", path, errno, -1);
    if (read(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
        return print_outcome("overwrite-exe", path, EIO, -1);
    dprintf(1, "holding\n");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int writable = -1, err = 0;
    for (int i = 0; i < 500 && writable < 0; i++) {
        writable = open(path, O_WRONLY | O_CLOEXEC);
        err = writable < 0 ? errno : 0;
        if (writable < 0 && err != ETXTBSY)
            break;
        usleep(writable < 0 ? 10000 : 0);
    }
    ssize_t n = writable < 0 ? -1 : write(writable, bytes, sizeof(bytes));
    if (writable >= 0 && n < 0)
        err = errno;
    return print_outcome("overwrite-exe", argv[1], err, n);
}

// sethostname NAME and unshare-user: two permission checks with real arguments.
static int act_sethostname(int argc, char **argv)
{
    (void)argc;
    int result = sethostname(argv[1], strlen(argv[1]));
    return print_outcome("sethostname", argv[1], result < 0 ? errno : 0, result);
}

// socket FAMILY TYPE PROTOCOL
static int act_socket(int argc, char **argv)
{
    if (argc < 4)
        return 125;
    int fd = socket(atoi(argv[1]), atoi(argv[2]), atoi(argv[3]));
    int err = fd < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return print_outcome("socket", argv[1], err, fd < 0 ? -1 : 0);
}

// keyring: the description of the session keyring ("keyring;0;0;3f1b0000;_ses.ID").
static int act_keyring(int argc, char **argv)
{
    char text[512] = "";
    (void)argc;
    (void)argv;
    long n = syscall(SYS_keyctl, 6 /* KEYCTL_DESCRIBE */, -3 /* session */, text, sizeof(text) - 1);
    return print_outcome("keyring", text, n < 0 ? errno : 0, n);
}

// size-changes N: prints the terminal's size, then again after each of N SIGWINCH.
static int act_size_changes(int argc, char **argv)
{
    sigset_t winch;
    int count = argc > 1 ? atoi(argv[1]) : 1, sig;
    sigemptyset(&winch);
    sigaddset(&winch, SIGWINCH);
    sigprocmask(SIG_BLOCK, &winch, NULL);
    for (int i = 0; i <= count; i++) {
        struct winsize size = {0};
        if (i > 0)
            sigwait(&winch, &sig);
        ioctl(0, TIOCGWINSZ, &size);
        dprintf(1, "size %d %d\n", size.ws_row, size.ws_col);
    }
    return 0;
}

// notify TEXT: one datagram to $NOTIFY_SOCKET.
static int act_notify(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    if (argc < 2 || !path || strlen(path) >= sizeof(address.sun_path))
        return print_outcome("notify", path, ENOENT, -1);
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ssize_t n =
        sendto(fd, argv[1], strlen(argv[1]), 0, (struct sockaddr *)&address, sizeof(address));
    int err = n < 0 ? errno : 0;
    close(fd);
    return print_outcome("notify", path, err, n);
}

// gate FD: blocks until descriptor FD has data or ends; prints what it read.
static int act_gate(int argc, char **argv)
{
    char text[4096];
    ssize_t n = read(argc > 1 ? atoi(argv[1]) : 0, text, sizeof(text) - 1);
    int err = n < 0 ? errno : 0;
    text[n < 0 ? 0 : n] = '\0';
    return print_outcome("gate", text, err, n);
}

const struct probe_command process_actions[] = {
    {"exit", act_exit, "exit N"},
    {"say", act_say, "say TEXT [FD]"},
    {"signal-self", act_signal_self, "signal-self SIGNAL"},
    {"sleep", act_sleep, "sleep [SECONDS]"},
    {"catch", act_catch, "catch"},
    {"ignore-term", act_ignore_term, "ignore-term"},
    {"children", act_children, "children N"},
    {"forkbomb", act_children, "forkbomb N"},
    {"orphan", act_orphan, "orphan"},
    {"alloc", act_alloc, "alloc MIB"},
    {"alloc-child", act_alloc_child, "alloc-child MIB"},
    {"syscall", act_syscall, "syscall NAME [ARG...]"},
    {"syscall32", act_syscall32, "syscall32 NUMBER"},
    {"overwrite-exe", act_overwrite_exe, "overwrite-exe PID"},
    {"sethostname", act_sethostname, "sethostname NAME"},
    {"socket", act_socket, "socket FAMILY TYPE PROTOCOL"},
    {"keyring", act_keyring, "keyring"},
    {"size-changes", act_size_changes, "size-changes N"},
    {"notify", act_notify, "notify TEXT"},
    {"gate", act_gate, "gate [FD]"},
    {NULL, NULL, NULL},
};
