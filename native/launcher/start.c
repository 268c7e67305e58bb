/* `start`, in the order of shim/bootstrap/start.ts. Whatever goes wrong is taken back and left to the engine. */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../core/scoped_fd.h"
#include "../core/socket.h"
#include "../core/spawn.h"
#include "daemon.h"

/* containerd's limit for socket paths, and its directory for them. */
#define SOCKET_PATH_MAX 106
#define SOCKET_DIR "/run/containerd/s"
#define TEXT_MAX 4096

struct start {
    const struct flags *flags;
    struct request request;
    char address[TEXT_MAX];        /* containerd's gRPC socket */
    char events_address[TEXT_MAX]; /* and that for events */
    char dir[SOCKET_PATH_MAX];
    char socket[SOCKET_PATH_MAX + 1];
};

static bool fits(int length, size_t size)
{
    return length >= 0 && (size_t)length < size;
}

static bool choose_addresses(struct start *start)
{
    const struct request *request = &start->request;
    int length = request->grpc_address.size > 0
                     ? snprintf(start->address, sizeof start->address, "%.*s",
                                (int)request->grpc_address.size, request->grpc_address.data)
                     : snprintf(start->address, sizeof start->address, "%s", start->flags->address);
    if (!fits(length, sizeof start->address))
        return false;
    const char *given = getenv("TTRPC_ADDRESS");
    if (request->ttrpc_address.size > 0)
        length = snprintf(start->events_address, sizeof start->events_address, "%.*s",
                          (int)request->ttrpc_address.size, request->ttrpc_address.data);
    else if (given != NULL)
        length = snprintf(start->events_address, sizeof start->events_address, "%s", given);
    else
        length = snprintf(start->events_address, sizeof start->events_address, "%s.ttrpc",
                          start->address);
    return fits(length, sizeof start->events_address);
}

/* shim/bootstrap/group.ts */
static bool choose_socket(struct start *start)
{
    static char config[256 * 1024];
    struct slice group;
    if (!group_of(start->flags->id, config, sizeof config, &group))
        return false;
    char name[2 * TEXT_MAX];
    int length = snprintf(name, sizeof name, "%s/%s/%.*s", start->address, start->flags->namespace,
                          (int)group.size, group.data);
    if (!fits(length, sizeof name))
        return false;
    char hex[SHA256_HEX];
    sha256_hex(name, (size_t)length, hex);
    struct slice dir = start->request.socket_dir;
    length = dir.size > 0
                 ? snprintf(start->dir, sizeof start->dir, "%.*s", (int)dir.size, dir.data)
                 : snprintf(start->dir, sizeof start->dir, "%s", SOCKET_DIR);
    if (!fits(length, sizeof start->dir))
        return false;
    length = snprintf(start->socket, sizeof start->socket, "%s/%s", start->dir, hex);
    return fits(length, sizeof start->socket);
}

/* A listening fd; -1 when there is a shim to join, -2 for what is left to the engine. */
static int listen_or_join(const struct start *start)
{
    if (mkdir(start->dir, 0700) != 0 && errno != EEXIST)
        return -2;
    TSR_SCOPED_FD int lock = open(start->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat info;
    if (lock < 0 || fstat(lock, &info) != 0 || info.st_uid != geteuid() ||
        (info.st_mode & 022) != 0 || flock(lock, LOCK_EX | LOCK_NB) != 0)
        return -2;
    struct tsr_error error;
    int fd = tsr_socket_listen_stream(start->socket, &error);
    if (fd >= 0)
        return fd;
    if (error.number != EADDRINUSE)
        return -2;
    switch (tsr_socket_is_listening(start->socket, &error)) {
    case 1:
        return -1;
    case 0:
        if (unlink(start->socket) != 0)
            return -2;
        fd = tsr_socket_listen_stream(start->socket, &error);
        return fd < 0 ? -2 : fd;
    default:
        return -2;
    }
}

static bool raise_oom_score(void)
{
    char path[64];
    char text[32];
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)getppid());
    long length = read_file(path, text, sizeof text - 1);
    if (length <= 0)
        return false;
    text[length] = '\0';
    int score = atoi(text) + 1;
    length = snprintf(text, sizeof text, "%d", score > 1000 ? 1000 : score);
    TSR_SCOPED_FD int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write_all(fd, text, (size_t)length);
}

static bool spawn_daemon(const struct start *start, int listener, struct tsr_spawned *daemon)
{
    char engine[TEXT_MAX];
    if (!engine_path(engine, sizeof engine))
        return false;
    const char *argv[] = {shim_name,
                          "-namespace",
                          start->flags->namespace,
                          "-id",
                          start->flags->id,
                          "-address",
                          start->address,
                          "-socket",
                          start->socket,
                          start->flags->debug || start->request.debug ? "-debug" : NULL,
                          NULL};
    enum { SETTINGS = sizeof engine_settings / sizeof engine_settings[0] };
    enum { PASSED = sizeof passed_on / sizeof passed_on[0] };
    const char *envp[1 + SETTINGS + PASSED + 1];
    char events[TEXT_MAX + sizeof "TTRPC_ADDRESS="];
    size_t count = 0;
    snprintf(events, sizeof events, "TTRPC_ADDRESS=%s", start->events_address);
    envp[count++] = events;
    for (size_t index = 0; index < SETTINGS; index++)
        envp[count++] = engine_settings[index];
    for (size_t index = 0; index < PASSED; index++) {
        /* the entry that getenv points into */
        const char *value = getenv(passed_on[index]);
        if (value != NULL)
            envp[count++] = value - strlen(passed_on[index]) - 1;
    }
    envp[count] = NULL;
    struct tsr_spawn_options options = {
        .path = engine,
        .file_fd = -1,
        .argv = (char *const *)argv,
        .envp = (char *const *)envp,
        .stdio = {-1, -1, -1, listener},
        .nstdio = 4,
        .cgroup_fd = -1,
        .new_session = true,
    };
    struct tsr_error error;
    return tsr_spawn(&options, daemon, &error) == 0;
}

static bool write_bundle_files(const struct start *start)
{
    TSR_SCOPED_FD int fd =
        open(".address", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || !write_all(fd, "unix://", strlen("unix://")) ||
        !write_all(fd, start->socket, strlen(start->socket)) || rename(".address", "address") != 0)
        return false;
    return !start->request.bootstrap || symlink(start->dir, "s") == 0 || errno == EEXIST;
}

/* The address, or containerd.runtime.bootstrap.v1.BootstrapResult with it: version 3, protocol ttrpc. */
static bool answer(const struct start *start)
{
    char text[SOCKET_PATH_MAX + 32];
    int length = snprintf(text, sizeof text, "unix://%s", start->socket);
    if (!start->request.bootstrap)
        return write_all(STDOUT_FILENO, text, (size_t)length);
    char message[sizeof text + 16];
    int size = snprintf(message, sizeof message, "\x08\x03\x12%c%s\x1a\x05ttrpc", length, text);
    return write_all(STDOUT_FILENO, message, (size_t)size);
}

bool fast_start(const struct flags *flags, const struct input *input)
{
    static struct start start;
    start.flags = flags;
    const char *sched_core = getenv("SCHED_CORE");
    if ((sched_core != NULL && sched_core[0] != '\0') ||
        !request_parse(input, flags, &start.request) || !choose_addresses(&start) ||
        !choose_socket(&start) || !raise_oom_score())
        return false;
    TSR_SCOPED_FD int listener = listen_or_join(&start);
    if (listener == -2)
        return false;
    if (listener == -1)
        return write_bundle_files(&start) && answer(&start);
    struct tsr_spawned daemon;
    if (spawn_daemon(&start, listener, &daemon)) {
        if (write_bundle_files(&start) && answer(&start))
            return true;
        kill(daemon.pid, SIGKILL);
        waitpid(daemon.pid, NULL, 0);
    }
    unlink(start.socket);
    return false;
}
