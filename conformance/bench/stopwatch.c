/*
 * Runs a list of commands one after the other and says how long each took: `make bench` uses it, because an engine's own
 * child_process adds a millisecond of noise to every start.
 *
 * Standard input has one step a line, fields separated by tabs:
 *     run LABEL PAUSE_US ARGV0 ARGV1...   sleeps, then measures the command from before its start to its end
 *     reap                                waits until every process that outlived its parent has ended
 * Standard output gets `LABEL NANOSECONDS` (tab) after each run. The first command that does not exit with 0 ends it all.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_FIELDS 64
/* No step takes that long; a container that does not die must not hang the run. */
#define STEP_SECONDS 20

extern char **environ;

static _Noreturn void die(const char *what, int error)
{
    fprintf(stderr, "stopwatch: %s: %s\n", what, strerror(error));
    exit(2);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Splits in place; the array ends with NULL. */
static size_t split(char *line, char *fields[MAX_FIELDS + 1])
{
    size_t count = 0;
    for (char *field = strsep(&line, "\t\n"); field != NULL; field = strsep(&line, "\t\n")) {
        if (*field == '\0')
            continue;
        if (count == MAX_FIELDS)
            die("too many fields", E2BIG);
        fields[count++] = field;
    }
    fields[count] = NULL;
    return count;
}

static void run(const posix_spawn_file_actions_t *actions, char *fields[])
{
    usleep((useconds_t)strtoul(fields[2], NULL, 10));
    pid_t pid;
    int status;
    uint64_t began = now_ns();
    int error = posix_spawn(&pid, fields[3], actions, NULL, fields + 3, environ);
    if (error != 0)
        die(fields[3], error);
    if (waitpid(pid, &status, 0) != pid)
        die("waitpid", errno);
    uint64_t took = now_ns() - began;
    if (status != 0) {
        fprintf(stderr, "stopwatch: %s: wait status %#x\n", fields[1], (unsigned int)status);
        exit(1);
    }
    printf("%s\t%" PRIu64 "\n", fields[1], took);
    fflush(stdout);
}

static void reap(void)
{
    while (waitpid(-1, NULL, 0) >= 0 || errno == EINTR)
        continue;
    if (errno != ECHILD)
        die("waitpid", errno);
}

int main(void)
{
    /* A container's init comes to us when its runtime has ended. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
        die("prctl", errno);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, 0, 1);

    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        char *fields[MAX_FIELDS + 1];
        size_t count = split(line, fields);
        alarm(STEP_SECONDS);
        if (count >= 4 && strcmp(fields[0], "run") == 0)
            run(&actions, fields);
        else if (count == 1 && strcmp(fields[0], "reap") == 0)
            reap();
        else
            die("unknown step", EINVAL);
    }
    free(line);
    return 0;
}
