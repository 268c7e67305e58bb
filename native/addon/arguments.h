// Checked readers for what JavaScript passes in: each either yields a C value or has thrown a
// TypeError.
#pragma once

#include <napi.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// All readers return nothing once an exception is pending; callers return at once.
namespace tsr {

// A signed 32-bit integer without a fraction: fds, pids, signals, timeouts.
std::optional<int> ReadInt(Napi::Env env, Napi::Value value, const char *name);

// An integer from 0 to 2^53-1.
std::optional<uint64_t> ReadUint(Napi::Env env, Napi::Value value, const char *name);

std::optional<bool> ReadBool(Napi::Env env, Napi::Value value, const char *name);

// A string without NUL, which would end it early on the kernel's side.
std::optional<std::string> ReadString(Napi::Env env, Napi::Value value, const char *name);

std::optional<std::vector<int>> ReadInts(Napi::Env env, Napi::Value value, const char *name);

std::optional<std::vector<std::string>> ReadStrings(Napi::Env env, Napi::Value value,
                                                    const char *name);

// A view on the caller's Uint8Array, valid during the call.
struct Bytes {
    const uint8_t *data;
    size_t size;
};
std::optional<Bytes> ReadBytes(Napi::Env env, Napi::Value value, const char *name);

std::optional<Napi::Object> ReadObject(Napi::Env env, Napi::Value value, const char *name);

// Pointers to the strings, NULL-terminated as execve wants them; valid as long as the strings.
std::vector<char *> CStrings(std::vector<std::string> &strings);

} // namespace tsr
