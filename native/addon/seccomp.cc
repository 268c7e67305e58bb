// The seccomp addon: a thin N-API binding of native/core/seccomp.h, apart from the main addon so
// that containers without a profile never map libseccomp.
#include <node_api.h>
#include <seccomp.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "../core/seccomp.h"

namespace {

napi_value Number(napi_env env, double value)
{
    napi_value out = nullptr;
    napi_create_double(env, value, &out);
    return out;
}

void Set(napi_env env, napi_value object, const char *name, napi_value value)
{
    napi_set_named_property(env, object, name, value);
}

// Throws an error in the shape of Node's system errors, plus the index of the refused element.
napi_value Throw(napi_env env, int rc, const tsr_seccomp_error &error)
{
    char code[16];
    const char *symbol = strerrorname_np(-rc);
    snprintf(code, sizeof(code), "%s", symbol != nullptr ? symbol : "EIO");
    char text[128];
    snprintf(text, sizeof(text), "%s: %s", code, error.call);
    napi_value code_value, text_value, syscall_value, exception;
    napi_create_string_utf8(env, code, NAPI_AUTO_LENGTH, &code_value);
    napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &text_value);
    napi_create_string_utf8(env, error.call, NAPI_AUTO_LENGTH, &syscall_value);
    if (napi_create_error(env, code_value, text_value, &exception) != napi_ok) return nullptr;
    Set(env, exception, "errno", Number(env, rc));
    Set(env, exception, "syscall", syscall_value);
    Set(env, exception, "index", Number(env, static_cast<double>(error.index)));
    napi_throw(env, exception);
    return nullptr;
}

// A copy: memory owned by C may not be handed to every engine.
napi_value Bytes(napi_env env, const uint8_t *data, size_t size)
{
    napi_value buffer = nullptr, out = nullptr;
    void *bytes = nullptr;
    if (napi_create_arraybuffer(env, size, &bytes, &buffer) != napi_ok) return nullptr;
    if (size > 0) memcpy(bytes, data, size);
    napi_create_typedarray(env, napi_uint8_array, size, buffer, 0, &out);
    return out;
}

napi_value ToObject(napi_env env, const tsr_seccomp_result &result)
{
    napi_value out = nullptr, parts = nullptr, unknown = nullptr;
    napi_create_object(env, &out);
    napi_create_array_with_length(env, result.part_count, &parts);
    for (uint32_t i = 0; i < result.part_count; i++) {
        const tsr_seccomp_part &part = result.parts[i];
        napi_value value = nullptr;
        napi_create_object(env, &value);
        Set(env, value, "filter", Bytes(env, part.filter, part.filter_size));
        Set(env, value, "newest", Number(env, part.newest));
        napi_set_element(env, parts, i, value);
    }
    napi_create_array_with_length(env, result.unknown_count, &unknown);
    for (uint32_t i = 0; i < result.unknown_count; i++) {
        napi_set_element(env, unknown, i, Number(env, result.unknown[i]));
    }
    Set(env, out, "parts", parts);
    Set(env, out, "unknown", unknown);
    return out;
}

// compile(request: Uint8Array): {parts: {filter: Uint8Array, newest: number}[], unknown: number[]}
napi_value Compile(napi_env env, napi_callback_info info)
{
    size_t argc = 1;
    napi_value argument = nullptr;
    napi_get_cb_info(env, info, &argc, &argument, nullptr, nullptr);
    bool typed = false;
    napi_typedarray_type type = napi_int8_array;
    size_t size = 0;
    void *data = nullptr;
    if (argc < 1 || napi_is_typedarray(env, argument, &typed) != napi_ok || !typed ||
        napi_get_typedarray_info(env, argument, &type, &size, &data, nullptr, nullptr) != napi_ok ||
        type != napi_uint8_array) {
        napi_throw_type_error(env, nullptr, "compile: request is not a Uint8Array");
        return nullptr;
    }
    tsr_seccomp_result result;
    tsr_seccomp_error error = {"decode", -1};
    int rc = tsr_seccomp_compile(static_cast<const uint8_t*>(data), size, &result, &error);
    if (rc != 0) return Throw(env, rc, error);
    napi_value out = ToObject(env, result);
    tsr_seccomp_result_free(&result);
    return out;
}

// The three questions share one shape: (number) => boolean.
template <bool (*Question)(uint32_t)>
napi_value Ask(napi_env env, napi_callback_info info)
{
    size_t argc = 1;
    napi_value argument = nullptr, answer = nullptr;
    uint32_t value = 0;
    napi_get_cb_info(env, info, &argc, &argument, nullptr, nullptr);
    if (argc < 1 || napi_get_value_uint32(env, argument, &value) != napi_ok) {
        napi_throw_type_error(env, nullptr, "argument is not a number");
        return nullptr;
    }
    napi_get_boolean(env, Question(value), &answer);
    return answer;
}

void Export(napi_env env, napi_value exports, const char *name, napi_callback callback)
{
    napi_value function = nullptr;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
    Set(env, exports, name, function);
}

napi_value Init(napi_env env, napi_value exports)
{
    const scmp_version *version = seccomp_version();
    char text[32];
    snprintf(text, sizeof(text), "%u.%u.%u", version->major, version->minor, version->micro);
    napi_value version_value = nullptr;
    napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &version_value);
    Set(env, exports, "version", version_value);
    Set(env, exports, "nativeArch", Number(env, seccomp_arch_native()));
    Export(env, exports, "compile", Compile);
    Export(env, exports, "hasArch", Ask<tsr_seccomp_has_arch>);
    Export(env, exports, "hasAction", Ask<tsr_seccomp_has_action>);
    Export(env, exports, "hasFlags", Ask<tsr_seccomp_has_flags>);
    return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
