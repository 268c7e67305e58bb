// spawn, pidfds, signals and waiting.
#include <ctime>

#include <napi.h>

#include <signal.h>

#include "arguments.h"
#include "exports.h"
#include "system_error.h"

extern "C" {
#include "../core/process.h"
#include "../core/spawn.h"
}

namespace tsr {

namespace {

// Owns what the C options point to.
struct SpawnArguments {
    std::string path;
    std::vector<std::string> argv;
    std::vector<std::string> env;
    std::vector<int> keep;
    tsr_spawn_options options;
};

bool ReadSpawnFile(Napi::Env env, Napi::Value file, SpawnArguments &arguments)
{
    if (!file.IsEmpty() && file.IsNumber()) {
        const auto fd = ReadInt(env, file, "file");
        if (!fd)
            return false;
        arguments.options.file_fd = *fd;
        return true;
    }
    auto path = ReadString(env, file, "file");
    if (!path)
        return false;
    arguments.path = std::move(*path);
    arguments.options.file_fd = -1;
    arguments.options.path = arguments.path.c_str();
    return true;
}

bool ReadStdio(Napi::Env env, Napi::Value value, tsr_spawn_options &options)
{
    const auto fds = ReadInts(env, value, "stdio");
    if (!fds)
        return false;
    if (fds->size() < 3 || fds->size() > TSR_SPAWN_MAX_STDIO) {
        Napi::TypeError::New(env, "stdio must have three to eight fds")
            .ThrowAsJavaScriptException();
        return false;
    }
    options.nstdio = fds->size();
    for (size_t index = 0; index < fds->size(); index++)
        options.stdio[index] = (*fds)[index];
    return true;
}

bool ReadKeepFds(Napi::Env env, Napi::Value value, SpawnArguments &arguments)
{
    auto fds = ReadInts(env, value, "keepFds");
    if (!fds)
        return false;
    for (const int fd : *fds) {
        if (static_cast<size_t>(fd) < arguments.options.nstdio || fd < 0) {
            Napi::TypeError::New(env, "keepFds must be above those of stdio").ThrowAsJavaScriptException();
            return false;
        }
    }
    arguments.keep = std::move(*fds);
    arguments.options.keep = arguments.keep.data();
    arguments.options.nkeep = arguments.keep.size();
    return true;
}

bool ReadSpawnArguments(Napi::Env env, Napi::Value value, SpawnArguments &arguments)
{
    const auto object = ReadObject(env, value, "options");
    if (!object || !ReadSpawnFile(env, object->Get("file"), arguments))
        return false;
    auto argv = ReadStrings(env, object->Get("argv"), "argv");
    if (!argv)
        return false;
    auto environment = ReadStrings(env, object->Get("env"), "env");
    if (!environment)
        return false;
    const auto flags = ReadUint(env, object->Get("cloneFlags"), "cloneFlags");
    if (!flags)
        return false;
    const auto cgroup = ReadInt(env, object->Get("cgroupFd"), "cgroupFd");
    if (!cgroup)
        return false;
    arguments.argv = std::move(*argv);
    arguments.env = std::move(*environment);
    arguments.options.clone_flags = *flags;
    arguments.options.cgroup_fd = *cgroup;
    const Napi::Value session = object->Get("newSession");
    if (!session.IsEmpty() && !session.IsUndefined()) {
        const auto wanted = ReadBool(env, session, "newSession");
        if (!wanted)
            return false;
        arguments.options.new_session = *wanted;
    }
    return ReadStdio(env, object->Get("stdio"), arguments.options) &&
           ReadKeepFds(env, object->Get("keepFds"), arguments);
}

Napi::Value Spawn(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    SpawnArguments arguments{};
    if (!ReadSpawnArguments(env, info[0], arguments))
        return env.Undefined();
    const std::vector<char *> argv = CStrings(arguments.argv);
    const std::vector<char *> environment = CStrings(arguments.env);
    arguments.options.argv = argv.data();
    arguments.options.envp = environment.data();

    tsr_spawned spawned;
    tsr_error error;
    if (tsr_spawn(&arguments.options, &spawned, &error) != 0)
        return ThrowSystemError(env, error);
    Napi::Object result = Napi::Object::New(env);
    result.Set("pid", spawned.pid);
    result.Set("pidfd", spawned.pidfd);
    return result;
}

Napi::Value OpenPidfd(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto pid = ReadInt(env, info[0], "pid");
    if (!pid)
        return env.Undefined();
    tsr_error error;
    const int fd = tsr_pidfd_open(*pid, &error);
    return fd < 0 ? ThrowSystemError(env, error) : Napi::Number::New(env, fd);
}

Napi::Value GetFd(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto pidfd = ReadInt(env, info[0], "pidfd");
    const auto fd = ReadInt(env, info[1], "fd");
    if (!pidfd || !fd)
        return env.Undefined();
    tsr_error error;
    const int copy = tsr_pidfd_get_fd(*pidfd, *fd, &error);
    return copy < 0 ? ThrowSystemError(env, error) : Napi::Number::New(env, copy);
}

Napi::Value SignalPidfd(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto pidfd = ReadInt(env, info[0], "pidfd");
    if (!pidfd)
        return env.Undefined();
    const auto signal = ReadInt(env, info[1], "signal");
    if (!signal)
        return env.Undefined();
    tsr_error error;
    return tsr_pidfd_signal(*pidfd, *signal, &error) != 0 ? ThrowSystemError(env, error)
                                                          : env.Undefined();
}

Napi::Value Kill(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto pid = ReadInt(env, info[0], "pid");
    if (!pid)
        return env.Undefined();
    const auto signal = ReadInt(env, info[1], "signal");
    if (!signal)
        return env.Undefined();
    return kill(*pid, *signal) != 0 ? ThrowErrno(env, "kill") : env.Undefined();
}

Napi::Value WaitPid(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto pid = ReadInt(env, info[0], "pid");
    if (!pid)
        return env.Undefined();
    const auto noHang = ReadBool(env, info[1], "noHang");
    if (!noHang)
        return env.Undefined();
    int status = 0;
    tsr_error error;
    const int reaped = tsr_wait_pid(*pid, *noHang, &status, &error);
    if (reaped < 0)
        return ThrowSystemError(env, error);
    return reaped == 0 ? env.Undefined() : Napi::Number::New(env, status);
}

Napi::Value ReapAny(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    pid_t pid = 0;
    int status = 0;
    tsr_error error;
    const int reaped = tsr_reap_any(&pid, &status, &error);
    if (reaped < 0)
        return ThrowSystemError(env, error);
    if (reaped == 0)
        return env.Undefined();
    Napi::Object result = Napi::Object::New(env);
    result.Set("pid", pid);
    result.Set("status", status);
    return result;
}

Napi::Value SetSubreaper(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto on = ReadBool(env, info[0], "on");
    if (!on)
        return env.Undefined();
    tsr_error error;
    return tsr_set_subreaper(*on, &error) != 0 ? ThrowSystemError(env, error) : env.Undefined();
}

Napi::Value Monotonic(const Napi::CallbackInfo &info)
{
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return Napi::Number::New(info.Env(), double(now.tv_sec) * 1e6 + double(now.tv_nsec) / 1e3);
}

} // namespace

void ExportProcess(Napi::Env env, Napi::Object exports)
{
    exports.Set("spawn", Napi::Function::New<Spawn>(env, "spawn"));
    exports.Set("openPidfd", Napi::Function::New<OpenPidfd>(env, "openPidfd"));
    exports.Set("getFd", Napi::Function::New<GetFd>(env, "getFd"));
    exports.Set("signalPidfd", Napi::Function::New<SignalPidfd>(env, "signalPidfd"));
    exports.Set("kill", Napi::Function::New<Kill>(env, "kill"));
    exports.Set("monotonic", Napi::Function::New<Monotonic>(env, "monotonic"));
    exports.Set("waitPid", Napi::Function::New<WaitPid>(env, "waitPid"));
    exports.Set("reapAny", Napi::Function::New<ReapAny>(env, "reapAny"));
    exports.Set("setSubreaper", Napi::Function::New<SetSubreaper>(env, "setSubreaper"));
}

} // namespace tsr
