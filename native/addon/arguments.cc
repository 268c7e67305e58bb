// The type checks of everything that crosses from JavaScript.
#include "arguments.h"

#include <cmath>

namespace tsr {

namespace {

std::nullopt_t Reject(Napi::Env env, const char *name, const char *expected)
{
    if (!env.IsExceptionPending())
        Napi::TypeError::New(env, std::string(name) + " must be " + expected)
            .ThrowAsJavaScriptException();
    return std::nullopt;
}

// Reads an array element by element with `read`, a reader of this file.
template <typename Element, typename Reader>
std::optional<std::vector<Element>> ReadArray(Napi::Env env, Napi::Value value, const char *name,
                                              Reader read)
{
    if (value.IsEmpty() || !value.IsArray())
        return Reject(env, name, "an array");
    const Napi::Array array = value.As<Napi::Array>();
    const uint32_t length = array.Length();
    std::vector<Element> elements;
    elements.reserve(length);
    for (uint32_t index = 0; index < length; index++) {
        std::optional<Element> element = read(env, array.Get(index), name);
        if (!element)
            return std::nullopt;
        elements.push_back(std::move(*element));
    }
    return elements;
}

} // namespace

std::optional<int> ReadInt(Napi::Env env, Napi::Value value, const char *name)
{
    if (value.IsEmpty() || !value.IsNumber())
        return Reject(env, name, "an integer");
    const double number = value.As<Napi::Number>().DoubleValue();
    if (number != std::trunc(number) || number < INT32_MIN || number > INT32_MAX)
        return Reject(env, name, "a 32-bit integer");
    return static_cast<int>(number);
}

std::optional<uint64_t> ReadUint(Napi::Env env, Napi::Value value, const char *name)
{
    if (value.IsEmpty() || !value.IsNumber())
        return Reject(env, name, "an integer");
    const double number = value.As<Napi::Number>().DoubleValue();
    if (number != std::trunc(number) || number < 0 || number > 9007199254740991.0)
        return Reject(env, name, "a non-negative integer");
    return static_cast<uint64_t>(number);
}

std::optional<bool> ReadBool(Napi::Env env, Napi::Value value, const char *name)
{
    if (value.IsEmpty() || !value.IsBoolean())
        return Reject(env, name, "a boolean");
    return value.As<Napi::Boolean>().Value();
}

std::optional<std::string> ReadString(Napi::Env env, Napi::Value value, const char *name)
{
    if (value.IsEmpty() || !value.IsString())
        return Reject(env, name, "a string");
    std::string text = value.As<Napi::String>().Utf8Value();
    if (text.find('\0') != std::string::npos)
        return Reject(env, name, "a string without NUL");
    return text;
}

std::optional<std::vector<int>> ReadInts(Napi::Env env, Napi::Value value, const char *name)
{
    return ReadArray<int>(env, value, name, ReadInt);
}

std::optional<std::vector<std::string>> ReadStrings(Napi::Env env, Napi::Value value,
                                                    const char *name)
{
    return ReadArray<std::string>(env, value, name, ReadString);
}

std::optional<Bytes> ReadBytes(Napi::Env env, Napi::Value value, const char *name)
{
    if (value.IsEmpty() || !value.IsTypedArray() ||
        value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
        return Reject(env, name, "a Uint8Array");
    const Napi::Uint8Array array = value.As<Napi::Uint8Array>();
    return Bytes{array.Data(), array.ByteLength()};
}

std::optional<Napi::Object> ReadObject(Napi::Env env, Napi::Value value, const char *name)
{
    if (value.IsEmpty() || !value.IsObject())
        return Reject(env, name, "an object");
    return value.As<Napi::Object>();
}

std::vector<char *> CStrings(std::vector<std::string> &strings)
{
    std::vector<char *> pointers;
    pointers.reserve(strings.size() + 1);
    for (std::string &string : strings)
        pointers.push_back(string.data());
    pointers.push_back(nullptr);
    return pointers;
}

} // namespace tsr
