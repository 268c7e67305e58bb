// memfds, file systems, cgroup notifications and device programs.
#include <napi.h>

#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "arguments.h"
#include "exports.h"
#include "system_error.h"

extern "C" {
#include "../core/device_program.h"
#include "../core/memfd.h"
#include "../core/watch.h"
}

namespace tsr {

namespace {

Napi::Value SealedCopy(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto path = ReadString(env, info[0], "path");
    if (!path)
        return env.Undefined();
    tsr_error error;
    const int fd = tsr_memfd_copy(path->c_str(), &error);
    return fd < 0 ? ThrowSystemError(env, error) : Napi::Number::New(env, fd);
}

Napi::Value SealedMemory(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto name = ReadString(env, info[0], "name");
    if (!name)
        return env.Undefined();
    const auto data = ReadBytes(env, info[1], "data");
    if (!data)
        return env.Undefined();
    tsr_error error;
    const int fd = tsr_memfd_from_bytes(name->c_str(), data->data, data->size, &error);
    return fd < 0 ? ThrowSystemError(env, error) : Napi::Number::New(env, fd);
}

Napi::Value IsInherited(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    // Not FD_CLOEXEC: the engine sets it on what it has inherited, too.
    const std::string link = "/proc/self/fd/" + std::to_string(*fd);
    char target[64];
    const ssize_t length = readlink(link.c_str(), target, sizeof target);
    const bool isOpen = length >= 0;
    const bool isPoll = isOpen && std::string_view(target, length) == "anon_inode:[eventpoll]";
    return Napi::Boolean::New(env, isOpen && !isPoll);
}

Napi::Value StatFs(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto path = ReadString(env, info[0], "path");
    if (!path)
        return env.Undefined();
    struct statfs stats;
    if (statfs(path->c_str(), &stats) != 0)
        return ThrowErrno(env, "statfs");
    Napi::Object result = Napi::Object::New(env);
    // Magic numbers are 32-bit and unsigned, whatever type the architecture gives the field.
    result.Set("type", Napi::Number::New(env, static_cast<uint32_t>(stats.f_type)));
    return result;
}

Napi::Value Unmount(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto path = ReadString(env, info[0], "path");
    if (!path)
        return env.Undefined();
    const auto flags = ReadInt(env, info[1], "flags");
    if (!flags)
        return env.Undefined();
    return umount2(path->c_str(), *flags) != 0 ? ThrowErrno(env, "umount2") : env.Undefined();
}

Napi::Value CgroupEvent(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto cgroup = ReadString(env, info[0], "cgroupDir");
    if (!cgroup)
        return env.Undefined();
    const auto file = ReadString(env, info[1], "file");
    if (!file)
        return env.Undefined();
    tsr_error error;
    const int fd = tsr_watch_cgroup_event(cgroup->c_str(), file->c_str(), &error);
    return fd < 0 ? ThrowSystemError(env, error) : Napi::Number::New(env, fd);
}

Napi::Value WatchFile(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto path = ReadString(env, info[0], "path");
    if (!path)
        return env.Undefined();
    tsr_error error;
    const int fd = tsr_watch_file(path->c_str(), &error);
    return fd < 0 ? ThrowSystemError(env, error) : Napi::Number::New(env, fd);
}

Napi::Value SetDeviceProgram(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto cgroup = ReadInt(env, info[0], "cgroupFd");
    if (!cgroup)
        return env.Undefined();
    const auto program = ReadBytes(env, info[1], "program");
    if (!program)
        return env.Undefined();
    tsr_error error;
    if (tsr_device_program_set(*cgroup, program->data, program->size, &error) != 0)
        return ThrowSystemError(env, error);
    return env.Undefined();
}

} // namespace

void ExportFiles(Napi::Env env, Napi::Object exports)
{
    exports.Set("sealedCopy", Napi::Function::New<SealedCopy>(env, "sealedCopy"));
    exports.Set("sealedMemory", Napi::Function::New<SealedMemory>(env, "sealedMemory"));
    exports.Set("isInherited", Napi::Function::New<IsInherited>(env, "isInherited"));
    exports.Set("statfs", Napi::Function::New<StatFs>(env, "statfs"));
    exports.Set("unmount", Napi::Function::New<Unmount>(env, "unmount"));
    exports.Set("cgroupEvent", Napi::Function::New<CgroupEvent>(env, "cgroupEvent"));
    exports.Set("watchFile", Napi::Function::New<WatchFile>(env, "watchFile"));
    exports.Set("setDeviceProgram", Napi::Function::New<SetDeviceProgram>(env, "setDeviceProgram"));
}

} // namespace tsr
