// ONNX Runtime, found and opened once in the life of the process.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ort_abi.h"

namespace windlass::ort {

struct Library {
  Api api;
  Env* env = nullptr;  // lives as long as the process
  std::string version;
};

// Opens $WINDLASS_ONNXRUNTIME, else libonnxruntime.so.1 beside this plug-in, else the one that the
// dynamic loader finds. Throws Error{kUnsupported} saying where it looked; may be called again.
const Library& OpenLibrary();

// Throws Error{kInvalidInput} naming `what` unless `status` is null. Releases it.
void Check(const Api& api, Status* status, std::string_view what);

// Handles that release themselves.
struct ReleaseValue {
  const Api* api = nullptr;
  void operator()(Value* handle) const { api->ReleaseValue(handle); }
};
struct ReleaseSession {
  const Api* api = nullptr;
  void operator()(Session* handle) const { api->ReleaseSession(handle); }
};
struct ReleaseOptions {
  const Api* api = nullptr;
  void operator()(SessionOptions* handle) const { api->ReleaseSessionOptions(handle); }
};
struct ReleaseMemory {
  const Api* api = nullptr;
  void operator()(MemoryInfo* handle) const { api->ReleaseMemoryInfo(handle); }
};
struct ReleaseInfo {
  const Api* api = nullptr;
  void operator()(TensorInfo* handle) const { api->ReleaseTensorTypeAndShapeInfo(handle); }
};

using ValuePtr = std::unique_ptr<Value, ReleaseValue>;
using SessionPtr = std::unique_ptr<Session, ReleaseSession>;
using OptionsPtr = std::unique_ptr<SessionOptions, ReleaseOptions>;
using MemoryPtr = std::unique_ptr<MemoryInfo, ReleaseMemory>;
using InfoPtr = std::unique_ptr<TensorInfo, ReleaseInfo>;

}  // namespace windlass::ort
