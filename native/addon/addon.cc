// The module: which functions it exports and the plan ABI it was built with.
#include <napi.h>

#include "exports.h"
#include "plan_ops.h"

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports)
{
    exports.Set("abi", Napi::Number::New(env, TSR_PLAN_ABI));
    tsr::ExportProcess(env, exports);
    tsr::ExportReactor(env, exports);
    tsr::ExportSockets(env, exports);
    tsr::ExportFiles(env, exports);
    tsr::ExportIo(env, exports);
    tsr::ExportMounts(env, exports);
    tsr::ExportTerminal(env, exports);
    tsr::ExportBootstrap(env, exports);
    return exports;
}

} // namespace

NODE_API_MODULE(tsrunc, Init)
