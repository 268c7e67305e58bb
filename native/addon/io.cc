// File operations for light-fs.ts: system calls as they are, without the engine's own file system module.
#include <napi.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <memory>
#include <string>

#include "arguments.h"
#include "exports.h"
#include "system_error.h"

extern "C" {
#include "../core/scoped_fd.h"
}

namespace tsr {

namespace {

// Repeats a system call that a signal has interrupted.
template <typename Call> auto Retry(Call call)
{
    decltype(call()) result;
    do {
        result = call();
    } while (result < 0 && errno == EINTR);
    return result;
}

// readText(path, latin1): a whole file; those of /proc have no size, so it is read until its end.
Napi::Value ReadText(const Napi::CallbackInfo &info)
{
    constexpr size_t kFirst = 8192;
    const Napi::Env env = info.Env();
    const auto path = ReadString(env, info[0], "path");
    if (!path)
        return env.Undefined();
    const auto latin1 = ReadBool(env, info[1], "latin1");
    if (!latin1)
        return env.Undefined();
    TSR_SCOPED_FD int fd = Retry([&] { return open(path->c_str(), O_RDONLY | O_CLOEXEC); });
    if (fd < 0)
        return ThrowErrno(env, "open");
    std::string text(kFirst, '\0');
    size_t size = 0;
    for (;;) {
        if (size == text.size())
            text.resize(size * 2);
        const ssize_t got = Retry([&] { return read(fd, &text[size], text.size() - size); });
        if (got < 0)
            return ThrowErrno(env, "read");
        if (got == 0)
            break;
        size += static_cast<size_t>(got);
    }
    napi_value value;
    const auto convert = *latin1 ? napi_create_string_latin1 : napi_create_string_utf8;
    if (convert(env, text.data(), size, &value) != napi_ok)
        return env.Undefined();
    return Napi::Value(env, value);
}

// open(path, flags, mode); the fd is always close-on-exec.
Napi::Value Open(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto path = ReadString(env, info[0], "path");
    if (!path)
        return env.Undefined();
    const auto flags = ReadInt(env, info[1], "flags");
    if (!flags)
        return env.Undefined();
    const auto mode = ReadInt(env, info[2], "mode");
    if (!mode)
        return env.Undefined();
    const int fd = Retry([&] { return open(path->c_str(), *flags | O_CLOEXEC, *mode); });
    return fd < 0 ? ThrowErrno(env, "open") : Napi::Number::New(env, fd);
}

Napi::Value Close(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    // On Linux the fd is closed even when a signal interrupts.
    return close(*fd) != 0 && errno != EINTR ? ThrowErrno(env, "close") : env.Undefined();
}

// read(fd, bytes, position): fills the view as far as one read(2) does; position -1 is the file's own.
Napi::Value Read(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    const auto bytes = ReadBytes(env, info[1], "bytes");
    if (!bytes)
        return env.Undefined();
    const auto position = ReadInt(env, info[2], "position");
    if (!position)
        return env.Undefined();
    uint8_t *data = const_cast<uint8_t *>(bytes->data);
    const ssize_t got = Retry([&] {
        return *position < 0 ? read(*fd, data, bytes->size)
                             : pread(*fd, data, bytes->size, *position);
    });
    return got < 0 ? ThrowErrno(env, "read") : Napi::Number::New(env, static_cast<double>(got));
}

// write(fd, text or bytes): one write(2); the number of bytes written.
Napi::Value Write(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    std::string text;
    Bytes bytes;
    if (info[1].IsString()) {
        text = info[1].As<Napi::String>().Utf8Value();
        bytes = {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
    } else {
        const auto given = ReadBytes(env, info[1], "data");
        if (!given)
            return env.Undefined();
        bytes = *given;
    }
    const ssize_t done = Retry([&] { return write(*fd, bytes.data, bytes.size); });
    return done < 0 ? ThrowErrno(env, "write") : Napi::Number::New(env, static_cast<double>(done));
}

// stat(path or fd, optional): numbers in the order of light-fs.ts; undefined where `optional` and nothing is there.
Napi::Value Stat(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto optional = ReadBool(env, info[1], "optional");
    if (!optional)
        return env.Undefined();
    struct stat stats;
    if (info[0].IsNumber()) {
        const auto fd = ReadInt(env, info[0], "fd");
        if (!fd)
            return env.Undefined();
        if (fstat(*fd, &stats) != 0)
            return ThrowErrno(env, "fstat");
    } else {
        const auto path = ReadString(env, info[0], "path");
        if (!path)
            return env.Undefined();
        if (stat(path->c_str(), &stats) != 0) {
            if (*optional && errno == ENOENT)
                return env.Undefined();
            return ThrowErrno(env, "stat");
        }
    }
    const double modified = static_cast<double>(stats.st_mtim.tv_sec) * 1e3 +
                            static_cast<double>(stats.st_mtim.tv_nsec) / 1e6;
    const double numbers[] = {
        static_cast<double>(stats.st_dev),  static_cast<double>(stats.st_ino),
        static_cast<double>(stats.st_mode), static_cast<double>(stats.st_nlink),
        static_cast<double>(stats.st_uid),  static_cast<double>(stats.st_gid),
        static_cast<double>(stats.st_size), modified,
    };
    Napi::Array array = Napi::Array::New(env);
    for (const double number : numbers)
        array.Set(array.Length(), Napi::Number::New(env, number));
    return array;
}

Napi::Value Exists(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto path = ReadString(env, info[0], "path");
    if (!path)
        return env.Undefined();
    return Napi::Boolean::New(env, access(path->c_str(), F_OK) == 0);
}

using PathCall = int (*)(const char *);
using PathModeCall = int (*)(const char *, mode_t);

// A system call that takes a path and yields nothing.
template <PathCall call, const char *name> Napi::Value OnPath(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto path = ReadString(env, info[0], "path");
    if (!path)
        return env.Undefined();
    return call(path->c_str()) != 0 ? ThrowErrno(env, name) : env.Undefined();
}

template <PathModeCall call, const char *name> Napi::Value OnPathMode(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto path = ReadString(env, info[0], "path");
    if (!path)
        return env.Undefined();
    const auto mode = ReadInt(env, info[1], "mode");
    if (!mode)
        return env.Undefined();
    const auto bits = static_cast<mode_t>(*mode);
    return call(path->c_str(), bits) != 0 ? ThrowErrno(env, name) : env.Undefined();
}

// chown(fd, uid, gid): fchown(2).
Napi::Value Chown(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    const auto uid = ReadUint(env, info[1], "uid");
    if (!uid)
        return env.Undefined();
    const auto gid = ReadUint(env, info[2], "gid");
    if (!gid)
        return env.Undefined();
    return fchown(*fd, static_cast<uid_t>(*uid), static_cast<gid_t>(*gid)) != 0
               ? ThrowErrno(env, "fchown")
               : env.Undefined();
}

Napi::Value Symlink(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto target = ReadString(env, info[0], "target");
    if (!target)
        return env.Undefined();
    const auto path = ReadString(env, info[1], "path");
    if (!path)
        return env.Undefined();
    return symlink(target->c_str(), path->c_str()) != 0 ? ThrowErrno(env, "symlink")
                                                        : env.Undefined();
}

Napi::Value Rename(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto from = ReadString(env, info[0], "from");
    if (!from)
        return env.Undefined();
    const auto to = ReadString(env, info[1], "to");
    if (!to)
        return env.Undefined();
    return rename(from->c_str(), to->c_str()) != 0 ? ThrowErrno(env, "rename") : env.Undefined();
}

Napi::Value ReadLink(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto path = ReadString(env, info[0], "path");
    if (!path)
        return env.Undefined();
    char target[PATH_MAX];
    const ssize_t size = readlink(path->c_str(), target, sizeof target);
    if (size < 0)
        return ThrowErrno(env, "readlink");
    return Napi::String::New(env, target, static_cast<size_t>(size));
}

Napi::Value RealPath(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto path = ReadString(env, info[0], "path");
    if (!path)
        return env.Undefined();
    char resolved[PATH_MAX];
    if (realpath(path->c_str(), resolved) == nullptr)
        return ThrowErrno(env, "realpath");
    return Napi::String::New(env, resolved);
}

// list(path): names without . and .., each followed by whether it is a directory.
Napi::Value List(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto path = ReadString(env, info[0], "path");
    if (!path)
        return env.Undefined();
    const std::unique_ptr<DIR, int (*)(DIR *)> directory(opendir(path->c_str()), closedir);
    if (directory == nullptr)
        return ThrowErrno(env, "scandir");
    Napi::Array names = Napi::Array::New(env);
    for (;;) {
        errno = 0;
        const dirent *entry = readdir(directory.get());
        if (entry == nullptr)
            return errno != 0 ? ThrowErrno(env, "scandir") : names;
        const std::string name = entry->d_name;
        if (name == "." || name == "..")
            continue;
        bool is_directory = entry->d_type == DT_DIR;
        struct stat stats;
        if (entry->d_type == DT_UNKNOWN &&
            fstatat(dirfd(directory.get()), entry->d_name, &stats, AT_SYMLINK_NOFOLLOW) == 0)
            is_directory = S_ISDIR(stats.st_mode);
        names.Set(names.Length(), Napi::String::New(env, name));
        names.Set(names.Length(), Napi::Boolean::New(env, is_directory));
    }
}

constexpr char kUnlink[] = "unlink";
constexpr char kRmdir[] = "rmdir";
constexpr char kMkdir[] = "mkdir";
constexpr char kChmod[] = "chmod";

} // namespace

void ExportIo(Napi::Env env, Napi::Object exports)
{
    Napi::Object io = Napi::Object::New(env);
    io.Set("readText", Napi::Function::New<ReadText>(env, "readText"));
    io.Set("open", Napi::Function::New<Open>(env, "open"));
    io.Set("close", Napi::Function::New<Close>(env, "close"));
    io.Set("read", Napi::Function::New<Read>(env, "read"));
    io.Set("write", Napi::Function::New<Write>(env, "write"));
    io.Set("stat", Napi::Function::New<Stat>(env, "stat"));
    io.Set("exists", Napi::Function::New<Exists>(env, "exists"));
    io.Set("mkdir", Napi::Function::New<OnPathMode<mkdir, kMkdir>>(env, "mkdir"));
    io.Set("chmod", Napi::Function::New<OnPathMode<chmod, kChmod>>(env, "chmod"));
    io.Set("chown", Napi::Function::New<Chown>(env, "chown"));
    io.Set("rmdir", Napi::Function::New<OnPath<rmdir, kRmdir>>(env, "rmdir"));
    io.Set("unlink", Napi::Function::New<OnPath<unlink, kUnlink>>(env, "unlink"));
    io.Set("symlink", Napi::Function::New<Symlink>(env, "symlink"));
    io.Set("rename", Napi::Function::New<Rename>(env, "rename"));
    io.Set("readLink", Napi::Function::New<ReadLink>(env, "readLink"));
    io.Set("realPath", Napi::Function::New<RealPath>(env, "realPath"));
    io.Set("list", Napi::Function::New<List>(env, "list"));
    exports.Set("io", io);
}

} // namespace tsr
