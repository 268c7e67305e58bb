// The foreground loop.
#include <napi.h>

#include "arguments.h"
#include "exports.h"
#include "system_error.h"

extern "C" {
#include "../core/foreground.h"
#include "../core/signal_relay.h"
#include "../core/terminal.h"
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

Napi::Value HoldSignals(const Napi::CallbackInfo &info)
{
    tsr_error error;
    if (tsr_signal_relay_hold(&error) != 0)
        return ThrowSystemError(info.Env(), error);
    return info.Env().Undefined();
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

// setWindowSize(fd, width, height); the kernel's fields have 16 bits.
Napi::Value SetWindowSize(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    const auto width = ReadUint(env, info[1], "width");
    if (!width)
        return env.Undefined();
    const auto height = ReadUint(env, info[2], "height");
    if (!height)
        return env.Undefined();
    if (*width > UINT16_MAX || *height > UINT16_MAX) {
        Napi::RangeError::New(env, "width and height must be below 65536")
            .ThrowAsJavaScriptException();
        return env.Undefined();
    }
    const tsr_terminal_size size{static_cast<uint16_t>(*height), static_cast<uint16_t>(*width)};
    tsr_error error;
    return tsr_terminal_set_size(*fd, size, &error) != 0 ? ThrowSystemError(env, error)
                                                         : env.Undefined();
}

Napi::Value OpenTerminalPeer(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto master = ReadInt(env, info[0], "masterFd");
    if (!master)
        return env.Undefined();
    tsr_error error;
    const int peer = tsr_terminal_open_peer(*master, &error);
    return peer < 0 ? ThrowSystemError(env, error) : Napi::Number::New(env, peer);
}

} // namespace

void ExportTerminal(Napi::Env env, Napi::Object exports)
{
    exports.Set("prepareTerminal", Napi::Function::New<PrepareTerminal>(env, "prepareTerminal"));
    exports.Set("setWindowSize", Napi::Function::New<SetWindowSize>(env, "setWindowSize"));
    exports.Set("openTerminalPeer",
                Napi::Function::New<OpenTerminalPeer>(env, "openTerminalPeer"));
    exports.Set("holdSignals", Napi::Function::New<HoldSignals>(env, "holdSignals"));
    exports.Set("foreground", Napi::Function::New<Foreground>(env, "foreground"));
}

} // namespace tsr
