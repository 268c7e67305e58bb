// Terminals and the foreground loop.
#include <napi.h>

#include <unistd.h>

#include "arguments.h"
#include "exports.h"
#include "system_error.h"

extern "C" {
#include "../core/foreground.h"
#include "../core/terminal.h"
}

namespace tsr {

namespace {

Napi::Value IsTerminal(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    return Napi::Boolean::New(env, isatty(*fd) == 1);
}

Napi::Value TerminalSize(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    tsr_terminal_size size;
    tsr_error error;
    if (tsr_terminal_get_size(*fd, &size, &error) != 0)
        return ThrowSystemError(env, error);
    Napi::Object result = Napi::Object::New(env);
    result.Set("rows", size.rows);
    result.Set("columns", size.columns);
    return result;
}

std::optional<uint16_t> ReadCells(Napi::Env env, Napi::Value value, const char *name)
{
    const auto cells = ReadInt(env, value, name);
    if (!cells)
        return std::nullopt;
    if (*cells < 0 || *cells > UINT16_MAX) {
        Napi::RangeError::New(env, std::string(name) + " must be from 0 to 65535")
            .ThrowAsJavaScriptException();
        return std::nullopt;
    }
    return static_cast<uint16_t>(*cells);
}

Napi::Value SetTerminalSize(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    const auto rows = ReadCells(env, info[1], "rows");
    if (!rows)
        return env.Undefined();
    const auto columns = ReadCells(env, info[2], "columns");
    if (!columns)
        return env.Undefined();
    tsr_error error;
    if (tsr_terminal_set_size(*fd, {*rows, *columns}, &error) != 0)
        return ThrowSystemError(env, error);
    return env.Undefined();
}

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
    exports.Set("isTerminal", Napi::Function::New<IsTerminal>(env, "isTerminal"));
    exports.Set("terminalSize", Napi::Function::New<TerminalSize>(env, "terminalSize"));
    exports.Set("prepareTerminal", Napi::Function::New<PrepareTerminal>(env, "prepareTerminal"));
    exports.Set("foreground", Napi::Function::New<Foreground>(env, "foreground"));
    exports.Set("setTerminalSize", Napi::Function::New<SetTerminalSize>(env, "setTerminalSize"));
}

} // namespace tsr
