// The foreground loop.
#include <napi.h>

#include "arguments.h"
#include "exports.h"
#include "system_error.h"

extern "C" {
#include "../core/foreground.h"
}

namespace tsr {

namespace {

Napi::Value PrepareTerminal(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto master = ReadInt(env, info[0], "masterFd");
    if (master)
        tsr_foreground_prepare(*master);
    return env.Undefined();
}

Napi::Value Foreground(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto options = ReadObject(env, info[0], "options");
    if (!options)
        return env.Undefined();
    const auto pid = ReadInt(env, options->Get("pid"), "pid");
    if (!pid)
        return env.Undefined();
    const auto pidfd = ReadInt(env, options->Get("pidfd"), "pidfd");
    if (!pidfd)
        return env.Undefined();
    const auto master = ReadInt(env, options->Get("masterFd"), "masterFd");
    if (!master)
        return env.Undefined();
    tsr_notify_pair pair{-1, -1};
    const Napi::Value notify = options->Get("notify");
    if (notify.IsEmpty() || !notify.IsUndefined()) {
        const auto fds = ReadInts(env, notify, "notify");
        if (!fds)
            return env.Undefined();
        if (fds->size() != 2) {
            Napi::TypeError::New(env, "notify must have two fds").ThrowAsJavaScriptException();
            return env.Undefined();
        }
        pair = {(*fds)[0], (*fds)[1]};
    }
    int status = 0;
    tsr_error error;
    if (tsr_foreground(*pid, *pidfd, *master, pair.socket < 0 ? nullptr : &pair, &status, &error) !=
        0)
        return ThrowSystemError(env, error);
    return Napi::Number::New(env, status);
}

} // namespace

void ExportTerminal(Napi::Env env, Napi::Object exports)
{
    exports.Set("prepareTerminal", Napi::Function::New<PrepareTerminal>(env, "prepareTerminal"));
    exports.Set("foreground", Napi::Function::New<Foreground>(env, "foreground"));
}

} // namespace tsr
