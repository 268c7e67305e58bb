// The groups of functions that make up the module; the contract is runtime/native/binding.ts.
#pragma once

#include <napi.h>

namespace tsr {

void ExportProcess(Napi::Env env, Napi::Object exports);
void ExportReactor(Napi::Env env, Napi::Object exports);
void ExportSockets(Napi::Env env, Napi::Object exports);
void ExportFiles(Napi::Env env, Napi::Object exports);
void ExportIo(Napi::Env env, Napi::Object exports);
void ExportMounts(Napi::Env env, Napi::Object exports);
void ExportTerminal(Napi::Env env, Napi::Object exports);
void ExportBootstrap(Napi::Env env, Napi::Object exports);

} // namespace tsr
