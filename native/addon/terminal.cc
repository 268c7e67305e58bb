// Terminals and the foreground loop.
#include <napi.h>

#include <unistd.h>

#include "arguments.h"
#include "exports.h"
#include "system_error.h"

extern "C" {
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

} // namespace

void ExportTerminal(Napi::Env env, Napi::Object exports)
{
    exports.Set("isTerminal", Napi::Function::New<IsTerminal>(env, "isTerminal"));
    exports.Set("terminalSize", Napi::Function::New<TerminalSize>(env, "terminalSize"));
    exports.Set("setTerminalSize", Napi::Function::New<SetTerminalSize>(env, "setTerminalSize"));
}

} // namespace tsr
