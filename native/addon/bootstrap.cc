// What the shim's start and delete helpers ask of the kernel.
#include <napi.h>

#include <sys/file.h>
#include <sys/prctl.h>

#include <cerrno>

#include "arguments.h"
#include "exports.h"
#include "system_error.h"

extern "C" {
#include "../core/socket.h"
}

// linux/prctl.h since 5.14
#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE 62
#define PR_SCHED_CORE_CREATE 1
#endif

namespace tsr {

namespace {

// enum pid_type of the kernel, as PR_SCHED_CORE takes it
constexpr unsigned long kProcessGroup = 2;

// tryLock(fd): false when another open file description holds the lock.
Napi::Value TryLock(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return Napi::Boolean::New(env, true);
    if (errno == EWOULDBLOCK)
        return Napi::Boolean::New(env, false);
    return ThrowErrno(env, "flock");
}

// isListening(path): is there a process behind this socket file?
Napi::Value IsListening(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto path = ReadString(env, info[0], "path");
    if (!path)
        return env.Undefined();
    tsr_error error;
    const int listening = tsr_socket_is_listening(path->c_str(), &error);
    return listening < 0 ? ThrowSystemError(env, error)
                         : Napi::Boolean::New(env, listening == 1);
}

// newCoreGroup(): core scheduling cookie for our process group, which children inherit.
Napi::Value NewCoreGroup(const Napi::CallbackInfo &info)
{
    if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0UL, kProcessGroup, 0UL) != 0)
        return ThrowErrno(info.Env(), "prctl");
    return info.Env().Undefined();
}

} // namespace

void ExportBootstrap(Napi::Env env, Napi::Object exports)
{
    exports.Set("tryLock", Napi::Function::New<TryLock>(env, "tryLock"));
    exports.Set("isListening", Napi::Function::New<IsListening>(env, "isListening"));
    exports.Set("newCoreGroup", Napi::Function::New<NewCoreGroup>(env, "newCoreGroup"));
}

} // namespace tsr
