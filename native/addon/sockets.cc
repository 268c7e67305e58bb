// Sockets, pipes, messages with fds, poll, and the relay of sd_notify(3).
#include <napi.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>

#include "arguments.h"
#include "exports.h"
#include "system_error.h"

extern "C" {
#include "../core/message.h"
#include "../core/notify.h"
#include "../core/poll.h"
#include "../core/socket.h"
}

namespace tsr {

namespace {

Napi::Value FdPair(Napi::Env env, const int pair[2])
{
    Napi::Array result = Napi::Array::New(env, 2);
    result.Set(0U, pair[0]);
    result.Set(1U, pair[1]);
    return result;
}

Napi::Value SocketPair(const Napi::CallbackInfo &info)
{
    int pair[2];
    tsr_error error;
    if (tsr_socket_pair(pair, &error) != 0)
        return ThrowSystemError(info.Env(), error);
    return FdPair(info.Env(), pair);
}

Napi::Value Pipe(const Napi::CallbackInfo &info)
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) != 0)
        return ThrowErrno(info.Env(), "pipe2");
    return FdPair(info.Env(), pair);
}

// unread(fd): FIONREAD.
Napi::Value Unread(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    int size = 0;
    if (ioctl(*fd, FIONREAD, &size) != 0)
        return ThrowErrno(env, "ioctl");
    return Napi::Number::New(env, size);
}

// A socket by its name in a directory.
template <int (*Open)(int, const char *, tsr_error *)>
Napi::Value SocketAt(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto directory = ReadInt(env, info[0], "dirFd");
    if (!directory)
        return env.Undefined();
    const auto name = ReadString(env, info[1], "name");
    if (!name)
        return env.Undefined();
    tsr_error error;
    const int fd = Open(*directory, name->c_str(), &error);
    return fd < 0 ? ThrowSystemError(env, error) : Napi::Number::New(env, fd);
}

// A socket by its address: a path, or what its function takes besides.
template <int (*Open)(const char *, tsr_error *)>
Napi::Value SocketOf(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto address = ReadString(env, info[0], "address");
    if (!address)
        return env.Undefined();
    tsr_error error;
    const int fd = Open(address->c_str(), &error);
    return fd < 0 ? ThrowSystemError(env, error) : Napi::Number::New(env, fd);
}

Napi::Value Send(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    const auto fds = ReadInts(env, info[2], "fds");
    if (!fds)
        return env.Undefined();
    const auto data = ReadBytes(env, info[1], "data");
    if (!data)
        return env.Undefined();
    tsr_error error;
    if (tsr_message_send(*fd, data->data, data->size, fds->data(), fds->size(), &error) != 0)
        return ThrowSystemError(env, error);
    return env.Undefined();
}

Napi::Value Receive(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    tsr_message message;
    tsr_error error;
    const int received = tsr_message_receive(*fd, &message, &error);
    if (received < 0)
        return ThrowSystemError(env, error);

    Napi::Array fds = Napi::Array::New(env, message.nfds);
    for (uint32_t index = 0; index < message.nfds; index++)
        fds.Set(index, message.fds[index]);
    Napi::Object result = Napi::Object::New(env);
    result.Set("fds", fds);
    if (received == 0) {
        result.Set("data", env.Undefined());
        return result;
    }
    Napi::Uint8Array data = Napi::Uint8Array::New(env, message.size);
    if (message.size > 0)
        memcpy(data.Data(), message.data, message.size);
    result.Set("data", data);
    return result;
}

Napi::Value Accept(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto listener = ReadInt(env, info[0], "fd");
    if (!listener)
        return env.Undefined();
    ucred peer;
    tsr_error error;
    const int fd = tsr_socket_accept(*listener, &peer, &error);
    if (fd < 0)
        return error.number == EAGAIN ? env.Undefined() : ThrowSystemError(env, error);
    Napi::Object connection = Napi::Object::New(env);
    connection.Set("fd", fd);
    connection.Set("pid", peer.pid);
    connection.Set("uid", peer.uid);
    connection.Set("gid", peer.gid);
    return connection;
}

Napi::Value SetNonblocking(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    const auto on = ReadBool(env, info[1], "on");
    if (!on)
        return env.Undefined();
    const int flags = fcntl(*fd, F_GETFL);
    if (flags < 0 ||
        fcntl(*fd, F_SETFL, *on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) != 0)
        return ThrowErrno(env, "fcntl");
    return env.Undefined();
}

Napi::Value Dup(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    const int copy = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
    return copy < 0 ? ThrowErrno(env, "fcntl") : Napi::Number::New(env, copy);
}

// The part of a Uint8Array from `offset` on; nothing is pending when there is none.
std::optional<Bytes> ReadPart(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto bytes = ReadBytes(env, info[1], "buffer");
    if (!bytes)
        return std::nullopt;
    const auto offset = ReadUint(env, info[2], "offset");
    if (!offset)
        return std::nullopt;
    if (*offset >= bytes->size) {
        Napi::RangeError::New(env, "offset is outside of the buffer").ThrowAsJavaScriptException();
        return std::nullopt;
    }
    return Bytes{bytes->data + *offset, bytes->size - *offset};
}

Napi::Value Count(Napi::Env env, ssize_t count, const tsr_error &error)
{
    if (count < 0 && error.number != EAGAIN)
        return ThrowSystemError(env, error);
    return Napi::Number::New(env, static_cast<double>(count));
}

Napi::Value TryRead(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    const auto part = ReadPart(info);
    if (!part)
        return env.Undefined();
    tsr_error error;
    void *const data = const_cast<uint8_t *>(part->data);
    return Count(env, tsr_socket_try_read(*fd, data, part->size, &error), error);
}

Napi::Value TryWrite(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fd = ReadInt(env, info[0], "fd");
    if (!fd)
        return env.Undefined();
    const auto part = ReadPart(info);
    if (!part)
        return env.Undefined();
    const auto length = ReadUint(env, info[3], "length");
    if (!length)
        return env.Undefined();
    if (*length > part->size) {
        Napi::RangeError::New(env, "length is outside of the buffer").ThrowAsJavaScriptException();
        return env.Undefined();
    }
    tsr_error error;
    return Count(env, tsr_socket_try_write(*fd, part->data, *length, &error), error);
}

Napi::Value Poll(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto fds = ReadInts(env, info[0], "fds");
    if (!fds)
        return env.Undefined();
    const auto timeout = ReadInt(env, info[1], "timeoutMs");
    if (!timeout)
        return env.Undefined();
    std::vector<pollfd> polled;
    polled.reserve(fds->size());
    for (const int fd : *fds)
        polled.push_back({fd, POLLIN, 0});
    tsr_error error;
    if (tsr_poll(polled.data(), polled.size(), *timeout, &error) < 0)
        return ThrowSystemError(env, error);

    Napi::Array ready = Napi::Array::New(env);
    uint32_t count = 0;
    for (const pollfd &entry : polled) {
        if (entry.revents != 0)
            ready.Set(count++, entry.fd);
    }
    return ready;
}

Napi::Value NotifyForward(const Napi::CallbackInfo &info)
{
    const Napi::Env env = info.Env();
    const auto socket = ReadInt(env, info[0], "socket");
    if (!socket)
        return env.Undefined();
    const auto host = ReadInt(env, info[1], "host");
    if (!host)
        return env.Undefined();
    bool ready = false;
    tsr_error error;
    if (tsr_notify_forward(*socket, *host, &ready, &error) != 0)
        return ThrowSystemError(env, error);
    return Napi::Boolean::New(env, ready);
}

} // namespace

void ExportSockets(Napi::Env env, Napi::Object exports)
{
    exports.Set("socketPair", Napi::Function::New<SocketPair>(env, "socketPair"));
    exports.Set("unread", Napi::Function::New<Unread>(env, "unread"));
    exports.Set("pipe", Napi::Function::New<Pipe>(env, "pipe"));
    exports.Set("listenAt", Napi::Function::New<SocketAt<tsr_socket_listen_at>>(env, "listenAt"));
    exports.Set("connectAt",
                Napi::Function::New<SocketAt<tsr_socket_connect_at>>(env, "connectAt"));
    exports.Set("connectStream",
                Napi::Function::New<SocketOf<tsr_socket_connect_stream>>(env, "connectStream"));
    exports.Set("send", Napi::Function::New<Send>(env, "send"));
    exports.Set("receive", Napi::Function::New<Receive>(env, "receive"));
    exports.Set("listenStream",
                Napi::Function::New<SocketOf<tsr_socket_listen_stream>>(env, "listenStream"));
    exports.Set("accept", Napi::Function::New<Accept>(env, "accept"));
    exports.Set("setNonblocking", Napi::Function::New<SetNonblocking>(env, "setNonblocking"));
    exports.Set("dup", Napi::Function::New<Dup>(env, "dup"));
    exports.Set("tryRead", Napi::Function::New<TryRead>(env, "tryRead"));
    exports.Set("tryWrite", Napi::Function::New<TryWrite>(env, "tryWrite"));
    exports.Set("poll", Napi::Function::New<Poll>(env, "poll"));
    exports.Set("notifyListenAt",
                Napi::Function::New<SocketAt<tsr_notify_listen_at>>(env, "notifyListenAt"));
    exports.Set("notifyConnect",
                Napi::Function::New<SocketOf<tsr_notify_connect>>(env, "notifyConnect"));
    exports.Set("notifyForward", Napi::Function::New<NotifyForward>(env, "notifyForward"));
}

} // namespace tsr
