// The I/O thread for JavaScript: its events arrive through one thread-safe function, many in one call.
#include <napi.h>

#include <unistd.h>

#include <array>

#include "arguments.h"
#include "exports.h"
#include "system_error.h"

extern "C" {
#include "../core/reactor.h"
}

namespace tsr {

namespace {

// The one reactor of the process; used by the engine's thread, but for `call`, which never changes while a thread runs.
struct Reactor {
    tsr_reactor *core;
    napi_threadsafe_function call;
};
Reactor reactor{};

void Notify(void *)
{
    napi_call_threadsafe_function(reactor.call, nullptr, napi_tsfn_nonblocking);
}

// On the engine's thread. Hands all events there are to `deliver`.
void Deliver(napi_env raw, napi_value deliver, void *, void *)
{
    if (raw == nullptr || deliver == nullptr || reactor.core == nullptr)
        return;
    const Napi::Env env(raw);
    const Napi::HandleScope scope(env);
    std::array<tsr_event, 64> events;
    Napi::Array pairs = Napi::Array::New(env);
    uint32_t length = 0;
    size_t count = 0;
    do {
        count = tsr_reactor_take(reactor.core, events.data(), events.size());
        for (size_t index = 0; index < count; index++) {
            pairs.Set(length++, Napi::Number::New(env, static_cast<double>(events[index].token)));
            pairs.Set(length++, Napi::Number::New(env, events[index].value));
        }
    } while (count == events.size());
    if (length == 0)
        return;
    const napi_value argument = pairs;
    napi_call_function(raw, env.Undefined(), deliver, 1, &argument, nullptr);
}

void StopCore(void *)
{
    if (reactor.core == nullptr)
        return;
    tsr_reactor_stop(reactor.core);
    reactor.core = nullptr;
}

Napi::Value Throw(Napi::Env env, int number, const char *syscall)
{
    tsr_error error;
    tsr_fail_with(&error, number, syscall);
    return ThrowSystemError(env, error);
}

Napi::Value Start(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    if (!info[0].IsFunction()) {
        Napi::TypeError::New(env, "deliver must be a function").ThrowAsJavaScriptException();
        return env.Undefined();
    }
    if (reactor.core != nullptr)
        return Throw(env, EALREADY, "reactor");
    const Napi::String name = Napi::String::New(env, "tsrunc-io");
    if (napi_create_threadsafe_function(env, info[0], nullptr, name, 0, 1, nullptr, nullptr,
                                        nullptr, Deliver, &reactor.call) != napi_ok)
        return Throw(env, ENOMEM, "reactor");
    tsr_error error;
    reactor.core = tsr_reactor_start(Notify, nullptr, &error);
    if (reactor.core == nullptr) {
        napi_release_threadsafe_function(reactor.call, napi_tsfn_abort);
        return ThrowSystemError(env, error);
    }
    // runs before the cleanup of the function that the thread calls
    napi_add_env_cleanup_hook(env, StopCore, nullptr);
    return env.Undefined();
}

Napi::Value Stop(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    if (reactor.core != nullptr) {
        napi_remove_env_cleanup_hook(env, StopCore, nullptr);
        StopCore(nullptr);
        napi_release_threadsafe_function(reactor.call, napi_tsfn_abort);
    }
    return env.Undefined();
}

// The token, once there is a reactor to use it with.
std::optional<uint64_t> ReadToken(const Napi::CallbackInfo &info)
{
    if (reactor.core == nullptr) {
        Throw(info.Env(), ESHUTDOWN, "reactor");
        return std::nullopt;
    }
    return ReadUint(info.Env(), info[0], "token");
}

Napi::Value Watch(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto token = ReadToken(info);
    if (!token)
        return env.Undefined();
    const auto fd = ReadInt(env, info[1], "fd");
    if (!fd)
        return env.Undefined();
    const auto writable = ReadBool(env, info[2], "writable");
    if (!writable)
        return env.Undefined();
    tsr_error error;
    return tsr_reactor_watch(reactor.core, *token, *fd, *writable, &error) != 0
               ? ThrowSystemError(env, error)
               : env.Undefined();
}

// Both kinds of taking back; fine after stop().
template <void (*TakeBack)(tsr_reactor *, uint64_t)>
Napi::Value End(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    if (reactor.core == nullptr)
        return env.Undefined();
    const auto token = ReadUint(env, info[0], "token");
    if (token)
        TakeBack(reactor.core, *token);
    return env.Undefined();
}

Napi::Value Copy(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto from = ReadInt(env, info[1], "from");
    if (!from)
        return env.Undefined();
    const auto to = ReadInt(env, info[2], "to");
    if (!to)
        return env.Undefined();
    const auto token = ReadToken(info);
    if (!token) {
        close(*from);
        close(*to);
        return env.Undefined();
    }
    tsr_error error;
    return tsr_reactor_copy(reactor.core, *token, *from, *to, &error) != 0
               ? ThrowSystemError(env, error)
               : env.Undefined();
}

Napi::Value WatchChildren(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto token = ReadToken(info);
    if (!token)
        return env.Undefined();
    tsr_error error;
    return tsr_reactor_watch_children(reactor.core, *token, &error) != 0
               ? ThrowSystemError(env, error)
               : env.Undefined();
}

} // namespace

void ExportReactor(Napi::Env env, Napi::Object exports)
{
    Napi::Object functions = Napi::Object::New(env);
    functions.Set("start", Napi::Function::New<Start>(env, "start"));
    functions.Set("stop", Napi::Function::New<Stop>(env, "stop"));
    functions.Set("watch", Napi::Function::New<Watch>(env, "watch"));
    functions.Set("unwatch", Napi::Function::New<End<tsr_reactor_unwatch>>(env, "unwatch"));
    functions.Set("copy", Napi::Function::New<Copy>(env, "copy"));
    functions.Set("cancelCopy",
                  Napi::Function::New<End<tsr_reactor_cancel_copy>>(env, "cancelCopy"));
    functions.Set("watchChildren", Napi::Function::New<WatchChildren>(env, "watchChildren"));
    exports.Set("reactor", functions);
}

} // namespace tsr
