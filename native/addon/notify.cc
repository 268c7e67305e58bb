// Sockets of sd_notify(3).
#include <napi.h>

#include "arguments.h"
#include "exports.h"
#include "system_error.h"

extern "C" {
#include "../core/notify.h"
}

namespace tsr {

namespace {

Napi::Value NotifyListenAt(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto directory = ReadInt(env, info[0], "dirFd");
    if (!directory)
        return env.Undefined();
    const auto name = ReadString(env, info[1], "name");
    if (!name)
        return env.Undefined();
    tsr_error error;
    const int fd = tsr_notify_listen_at(*directory, name->c_str(), &error);
    return fd < 0 ? ThrowSystemError(env, error) : Napi::Number::New(env, fd);
}

Napi::Value NotifyConnect(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto address = ReadString(env, info[0], "address");
    if (!address)
        return env.Undefined();
    tsr_error error;
    const int fd = tsr_notify_connect(address->c_str(), &error);
    return fd < 0 ? ThrowSystemError(env, error) : Napi::Number::New(env, fd);
}

Napi::Value NotifyForward(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto socket = ReadInt(env, info[0], "socket");
    if (!socket)
        return env.Undefined();
    const auto host = ReadInt(env, info[1], "host");
    if (!host)
        return env.Undefined();
    bool ready = false;
    tsr_error error;
    if (tsr_notify_forward(*socket, *host, &ready, &error) != 0)
        return ThrowSystemError(env, error);
    return Napi::Boolean::New(env, ready);
}

} // namespace

void ExportNotify(Napi::Env env, Napi::Object exports)
{
    exports.Set("notifyListenAt", Napi::Function::New<NotifyListenAt>(env, "notifyListenAt"));
    exports.Set("notifyConnect", Napi::Function::New<NotifyConnect>(env, "notifyConnect"));
    exports.Set("notifyForward", Napi::Function::New<NotifyForward>(env, "notifyForward"));
}

} // namespace tsr
