// Mounting and unmounting: each on a thread of its own, whose outcome comes through a pipe.
#include <napi.h>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include <fcntl.h>

#include <climits>
#include <cstring>
#include <memory>

#include "arguments.h"
#include "exports.h"
#include "system_error.h"

extern "C" {
#include "../core/mount_api.h"
#include "../core/scoped_fd.h"
}

namespace tsr {

namespace {

// A mount may take seconds, or hang with its server, and the engine's own threads are few. Most of this is never touched.
constexpr size_t kStackSize = 256 * 1024;

// What a thread writes into its pipe, in one piece; `number` is 0 for success.
struct Outcome {
    int number;
    int count;
    char syscall[32];
    char detail[1024];
};
static_assert(sizeof(Outcome) <= PIPE_BUF);

// Work for a thread, which owns it.
struct Job {
    int result = -1;
    virtual ~Job() = default;
    virtual int Run(tsr_mount_failure &failure) = 0;
};

struct MountJob final : Job {
    std::string root, target, type, source, uid_map, gid_map;
    std::vector<std::string> options, super_flags, layers, data_layers;
    std::vector<int> propagation;
    tsr_mount_request request{};

    int Run(tsr_mount_failure &failure) override
    {
        const auto option_list = CStrings(options);
        const auto flag_list = CStrings(super_flags);
        const auto layer_list = CStrings(layers);
        const auto data_list = CStrings(data_layers);
        request.root = root.c_str();
        request.target = target.c_str();
        request.type = type.c_str();
        request.source = source.c_str();
        request.uid_map = uid_map.c_str();
        request.gid_map = gid_map.c_str();
        request.options = option_list.data();
        request.super_flags = flag_list.data();
        request.layers = layer_list.data();
        request.data_layers = data_list.data();
        request.propagation = propagation.data();
        request.npropagation = propagation.size();
        return tsr_mount(&request, &failure);
    }
};

struct UnmountJob final : Job {
    std::string root, below;
    int flags = 0;
    bool all = false;

    int Run(tsr_mount_failure &failure) override
    {
        return tsr_unmount(root.c_str(), below.c_str(), flags, all, &failure);
    }
};

void *RunJob(void *argument)
{
    const std::unique_ptr<Job> job(static_cast<Job *>(argument));
    TSR_SCOPED_FD int result = job->result;
    tsr_mount_failure failure{};
    Outcome outcome{};
    const int count = job->Run(failure);
    if (count >= 0) {
        outcome.count = count;
    } else {
        outcome.number = failure.error.number;
        strncpy(outcome.syscall, failure.error.syscall, sizeof outcome.syscall - 1);
        memcpy(outcome.detail, failure.detail, sizeof outcome.detail);
    }
    // A pipe that is empty takes it at once; that nobody reads any more does not matter.
    [[maybe_unused]] const ssize_t written = write(result, &outcome, sizeof outcome);
    return nullptr;
}

int CreateThread(Job *job)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStackSize);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    // Signals are for the engine's threads, SIGPIPE of an abandoned pipe for nobody.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_t thread;
    const int number = pthread_create(&thread, &attributes, RunJob, job);
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
    pthread_attr_destroy(&attributes);
    return number;
}

// Hands the job to a thread; the fd that becomes readable with its outcome.
Napi::Value StartJob(Napi::Env env, std::unique_ptr<Job> job)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return ThrowErrno(env, "pipe2");
    job->result = fds[1];
    const int number = CreateThread(job.get());
    if (number != 0) {
        close(fds[0]);
        close(fds[1]);
        tsr_error error{number, "pthread_create"};
        return ThrowSystemError(env, error);
    }
    static_cast<void>(job.release()); // the thread's
    return Napi::Number::New(env, fds[0]);
}

bool ReadTexts(Napi::Env env, Napi::Object from,
               std::initializer_list<std::pair<const char *, std::string *>> fields)
{
    for (const auto &[name, text] : fields) {
        auto value = ReadString(env, from.Get(name), name);
        if (!value)
            return false;
        *text = std::move(*value);
    }
    return true;
}

bool ReadLists(Napi::Env env, Napi::Object from,
               std::initializer_list<std::pair<const char *, std::vector<std::string> *>> fields)
{
    for (const auto &[name, list] : fields) {
        auto value = ReadStrings(env, from.Get(name), name);
        if (!value)
            return false;
        *list = std::move(*value);
    }
    return true;
}

bool ReadBits(Napi::Env env, Napi::Object from,
              std::initializer_list<std::pair<const char *, uint64_t *>> fields)
{
    for (const auto &[name, bits] : fields) {
        const auto value = ReadUint(env, from.Get(name), name);
        if (!value)
            return false;
        *bits = *value;
    }
    return true;
}

bool ReadSwitches(Napi::Env env, Napi::Object from,
                  std::initializer_list<std::pair<const char *, bool *>> fields)
{
    for (const auto &[name, flag] : fields) {
        const auto value = ReadBool(env, from.Get(name), name);
        if (!value)
            return false;
        *flag = *value;
    }
    return true;
}

// In the order of tsr_mount_kind.
constexpr const char *kKinds[] = {"new", "bind", "rbind", "remount", "remountBind"};

bool ReadKind(Napi::Env env, Napi::Object from, tsr_mount_kind &kind)
{
    const auto name = ReadString(env, from.Get("kind"), "kind");
    if (!name)
        return false;
    for (size_t index = 0; index < std::size(kKinds); index++) {
        if (*name == kKinds[index]) {
            kind = static_cast<tsr_mount_kind>(index);
            return true;
        }
    }
    Napi::TypeError::New(env, "kind is unknown").ThrowAsJavaScriptException();
    return false;
}

// mount(request): starts it; an fd for result().
Napi::Value Mount(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto from = ReadObject(env, info[0], "request");
    if (!from)
        return env.Undefined();
    auto job = std::make_unique<MountJob>();
    tsr_mount_request &request = job->request;
    const bool read =
        ReadKind(env, *from, request.kind) &&
        ReadTexts(env, *from,
                  {{"root", &job->root},
                   {"target", &job->target},
                   {"type", &job->type},
                   {"source", &job->source},
                   {"uidMap", &job->uid_map},
                   {"gidMap", &job->gid_map}}) &&
        ReadLists(env, *from,
                  {{"options", &job->options},
                   {"superFlags", &job->super_flags},
                   {"layers", &job->layers},
                   {"dataLayers", &job->data_layers}}) &&
        ReadBits(env, *from,
                 {{"set", &request.set},
                  {"clear", &request.clear},
                  {"setBelow", &request.set_below},
                  {"clearBelow", &request.clear_below}}) &&
        ReadSwitches(env, *from,
                     {{"loop", &request.loop},
                      {"directIo", &request.direct_io},
                      {"classic", &request.classic}});
    if (!read)
        return env.Undefined();
    auto propagation = ReadInts(env, from->Get("propagation"), "propagation");
    if (!propagation)
        return env.Undefined();
    job->propagation = std::move(*propagation);
    return StartJob(env, std::move(job));
}

// unmount(root, below, flags, all): starts it; an fd for result().
Napi::Value Unmount(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    auto job = std::make_unique<UnmountJob>();
    auto root = ReadString(env, info[0], "root");
    if (!root)
        return env.Undefined();
    auto below = ReadString(env, info[1], "below");
    if (!below)
        return env.Undefined();
    const auto flags = ReadInt(env, info[2], "flags");
    if (!flags)
        return env.Undefined();
    const auto all = ReadBool(env, info[3], "all");
    if (!all)
        return env.Undefined();
    job->root = std::move(*root);
    job->below = std::move(*below);
    job->flags = *flags;
    job->all = *all;
    return StartJob(env, std::move(job));
}

// result(fd): waits for the outcome, closes the fd; the number of unmounted mounts.
Napi::Value Result(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto job = ReadInt(env, info[0], "job");
    if (!job)
        return env.Undefined();
    TSR_SCOPED_FD int fd = *job;
    Outcome outcome;
    ssize_t got;
    do
        got = read(fd, &outcome, sizeof outcome);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return ThrowErrno(env, "read");
    if (got != static_cast<ssize_t>(sizeof outcome)) {
        tsr_error error{EIO, "read"};
        return ThrowSystemError(env, error);
    }
    if (outcome.number == 0)
        return Napi::Number::New(env, outcome.count);
    tsr_error error{outcome.number, outcome.syscall};
    return ThrowSystemError(env, error, outcome.detail);
}

// resolve(root, target): the path of what is behind the target, whose links were followed beneath the root.
Napi::Value Resolve(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto root = ReadString(env, info[0], "root");
    if (!root)
        return env.Undefined();
    const auto target = ReadString(env, info[1], "target");
    if (!target)
        return env.Undefined();
    tsr_error error;
    TSR_SCOPED_FD int fd = tsr_open_beneath(root->c_str(), target->c_str(), &error);
    if (fd < 0)
        return ThrowSystemError(env, error);
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    char path[PATH_MAX];
    const ssize_t size = readlink(link.c_str(), path, sizeof path);
    if (size < 0)
        return ThrowErrno(env, "readlink");
    return Napi::String::New(env, path, static_cast<size_t>(size));
}

} // namespace

void ExportMounts(Napi::Env env, Napi::Object exports)
{
    Napi::Object mounts = Napi::Object::New(env);
    mounts.Set("mount", Napi::Function::New<Mount>(env, "mount"));
    mounts.Set("unmount", Napi::Function::New<Unmount>(env, "unmount"));
    mounts.Set("result", Napi::Function::New<Result>(env, "result"));
    mounts.Set("resolve", Napi::Function::New<Resolve>(env, "resolve"));
    exports.Set("mounts", mounts);
}

} // namespace tsr
