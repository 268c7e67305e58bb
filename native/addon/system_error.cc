// Turns an errno into a JavaScript error.
#include "system_error.h"

#include <cstring>
#include <string>

namespace tsr {

Napi::Value ThrowSystemError(Napi::Env env, const tsr_error &error, const char *detail)
{
    const char *name = strerrorname_np(error.number);
    const std::string code = name != nullptr ? name : "E" + std::to_string(error.number);
    const char *words = strerrordesc_np(error.number);
    const std::string message =
        code + ": " + (words != nullptr ? words : "unknown error") + ", " + error.syscall;

    Napi::Error exception = Napi::Error::New(env, message);
    Napi::Object value = exception.Value();
    value.Set("code", code);
    value.Set("errno", -error.number);
    value.Set("syscall", error.syscall);
    if (detail[0] != 0)
        value.Set("detail", detail);
    exception.ThrowAsJavaScriptException();
    return env.Undefined();
}

Napi::Value ThrowErrno(Napi::Env env, const char *syscall)
{
    tsr_error error;
    tsr_fail(&error, syscall);
    return ThrowSystemError(env, error);
}

} // namespace tsr
