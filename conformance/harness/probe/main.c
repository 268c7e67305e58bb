// Dispatches the probe's command line: actions separated by "+" run in order inside the container
// (or on the host).
//
//   probe                      the whole report
//   probe report caps fds      two sections of it
//   probe report + sleep       report, then wait to be killed
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "probe.h"

static const struct {
    int number;
    const char *name;
} errno_names[] = {
    {EPERM, "EPERM"},
    {ENOENT, "ENOENT"},
    {ESRCH, "ESRCH"},
    {EINTR, "EINTR"},
    {EIO, "EIO"},
    {ENXIO, "ENXIO"},
    {E2BIG, "E2BIG"},
    {EBADF, "EBADF"},
    {ECHILD, "ECHILD"},
    {EAGAIN, "EAGAIN"},
    {ENOMEM, "ENOMEM"},
    {EACCES, "EACCES"},
    {EFAULT, "EFAULT"},
    {EBUSY, "EBUSY"},
    {EEXIST, "EEXIST"},
    {EXDEV, "EXDEV"},
    {ENODEV, "ENODEV"},
    {ENOTDIR, "ENOTDIR"},
    {EISDIR, "EISDIR"},
    {EINVAL, "EINVAL"},
    {EMFILE, "EMFILE"},
    {ENOTTY, "ENOTTY"},
    {ETXTBSY, "ETXTBSY"},
    {EFBIG, "EFBIG"},
    {ENOSPC, "ENOSPC"},
    {EROFS, "EROFS"},
    {EPIPE, "EPIPE"},
    {ENOSYS, "ENOSYS"},
    {ELOOP, "ELOOP"},
    {EOPNOTSUPP, "EOPNOTSUPP"},
    {ENOKEY, "ENOKEY"},
    {EOVERFLOW, "EOVERFLOW"},
    {EALREADY, "EALREADY"},
    {ENAMETOOLONG, "ENAMETOOLONG"},
    {EDQUOT, "EDQUOT"},
    {ECONNREFUSED, "ECONNREFUSED"},
    {ENETUNREACH, "ENETUNREACH"},
    {EAFNOSUPPORT, "EAFNOSUPPORT"},
    {ENOTEMPTY, "ENOTEMPTY"},
    {EKEYREVOKED, "EKEYREVOKED"},
};

const char *errno_name(int err)
{
    static char number[16];
    for (size_t i = 0; i < sizeof(errno_names) / sizeof(errno_names[0]); i++)
        if (errno_names[i].number == err)
            return errno_names[i].name;
    snprintf(number, sizeof(number), "E%d", err);
    return number;
}

int print_outcome(const char *action, const char *target, int err, long long result)
{
    json_object(NULL);
    json_string("action", action);
    json_string("target", target);
    json_string("errno", err ? errno_name(err) : NULL);
    json_number("result", result);
    json_end();
    json_line();
    return 0;
}

int parse_signal(const char *text)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT},  {"ABRT", SIGABRT},
                 {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2},  {"PIPE", SIGPIPE},
                 {"ALRM", SIGALRM}, {"TERM", SIGTERM}, {"CHLD", SIGCHLD},  {"CONT", SIGCONT},
                 {"STOP", SIGSTOP}, {"SEGV", SIGSEGV}, {"WINCH", SIGWINCH}};
    if (text[0] >= '0' && text[0] <= '9')
        return atoi(text);
    if (strncmp(text, "SIG", 3) == 0)
        text += 3;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i].name, text) == 0)
            return names[i].number;
    return -1;
}

static const struct probe_command *find_command(const char *name)
{
    const struct probe_command *tables[] = {file_actions, process_actions, host_actions};
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
        for (const struct probe_command *c = tables[t]; c->name; c++)
            if (strcmp(c->name, name) == 0)
                return c;
    return NULL;
}

static int run_one(int argc, char **argv)
{
    if (strcmp(argv[0], "report") == 0)
        return action_report(argc - 1, argv + 1);
    const struct probe_command *command = find_command(argv[0]);
    if (!command) {
        fprintf(stderr, "probe: unknown action \"%s\"\n", argv[0]);
        return 125;
    }
    return command->run(argc, argv);
}

int main(int argc, char **argv)
{
    remember_args(argc, argv);
    if (argc < 2)
        return action_report(0, NULL);

    // Host helpers run commands whose own words may contain "+": they take the rest of the line.
    for (const struct probe_command *c = host_actions; c->name; c++)
        if (strcmp(c->name, argv[1]) == 0)
            return c->run(argc - 1, argv + 1);

    int status = 0;
    for (int first = 1; first < argc;) {
        int last = first;
        while (last < argc && strcmp(argv[last], "+") != 0)
            last++;
        if (last > first) {
            int result = run_one(last - first, argv + first);
            if (result)
                status = result;
        }
        first = last + 1;
    }
    return status;
}
