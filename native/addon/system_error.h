// The one way in which this addon reports that the kernel refused something.
#pragma once

#include <napi.h>

extern "C" {
#include "../core/error.h"
}

namespace tsr {

// Throws an Error shaped like Node's system errors: {code: "EPERM", errno: -1, syscall: "mount"},
// with the message "EPERM: Operation not permitted, mount". Returns undefined, for `return
// ThrowSystemError(...)`. What else is known about the failure, if anything, becomes its property `detail`.
Napi::Value ThrowSystemError(Napi::Env env, const tsr_error &error, const char *detail = "");

// The same for the errno of a system call made by the addon itself.
Napi::Value ThrowErrno(Napi::Env env, const char *syscall);

} // namespace tsr
