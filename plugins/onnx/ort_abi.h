// The part of ONNX Runtime's C ABI that we call, declared by us: OrtApi is an append-only table of
// function pointers, in which each entry keeps its place for ever; the number is that place.
// ort_abi_test.cc compares them with the real header. Handles that the runtime gives are opaque.
#pragma once

#include <cstddef>
#include <cstdint>

namespace windlass::ort {

struct Env;
struct Status;
struct MemoryInfo;
struct Session;
struct Value;
struct RunOptions;
struct SessionOptions;
struct TensorInfo;

struct ApiBase {
  const void* const* (*GetApi)(std::uint32_t version);
  const char* (*GetVersionString)();
};

// X(slot, name, result, parameters...)
#define WINDLASS_ORT_SLOTS(X)                                                                      \
  X(2, GetErrorMessage, const char*, const Status*)                                                \
  X(3, CreateEnv, Status*, int level, const char* id, Env**)                                       \
  X(6, DisableTelemetryEvents, Status*, const Env*)                                                \
  X(8, CreateSessionFromArray, Status*, const Env*, const void* model, std::size_t bytes,          \
    const SessionOptions*, Session**)                                                              \
  X(9, Run, Status*, Session*, const RunOptions*, const char* const* input_names,                  \
    const Value* const* inputs, std::size_t input_count, const char* const* output_names,          \
    std::size_t output_count, Value** outputs)                                                     \
  X(10, CreateSessionOptions, Status*, SessionOptions**)                                           \
  X(13, SetSessionExecutionMode, Status*, SessionOptions*, int mode)                               \
  X(22, SetSessionLogSeverityLevel, Status*, SessionOptions*, int level)                           \
  X(24, SetIntraOpNumThreads, Status*, SessionOptions*, int)                                       \
  X(25, SetInterOpNumThreads, Status*, SessionOptions*, int)                                       \
  X(49, CreateTensorWithDataAsOrtValue, Status*, const MemoryInfo*, void* data, std::size_t bytes, \
    const std::int64_t* shape, std::size_t rank, int type, Value**)                                \
  X(50, IsTensor, Status*, const Value*, int* is_tensor)                                           \
  X(51, GetTensorMutableData, Status*, Value*, void**)                                             \
  X(60, GetTensorElementType, Status*, const TensorInfo*, int* type)                               \
  X(61, GetDimensionsCount, Status*, const TensorInfo*, std::size_t*)                              \
  X(62, GetDimensions, Status*, const TensorInfo*, std::int64_t*, std::size_t)                     \
  X(65, GetTensorTypeAndShape, Status*, const Value*, TensorInfo**)                                \
  X(69, CreateCpuMemoryInfo, Status*, int allocator, int memory, MemoryInfo**)                     \
  X(92, ReleaseEnv, void, Env*)                                                                    \
  X(93, ReleaseStatus, void, Status*)                                                              \
  X(94, ReleaseMemoryInfo, void, MemoryInfo*)                                                      \
  X(95, ReleaseSession, void, Session*)                                                            \
  X(96, ReleaseValue, void, Value*)                                                                \
  X(99, ReleaseTensorTypeAndShapeInfo, void, TensorInfo*)                                          \
  X(100, ReleaseSessionOptions, void, SessionOptions*)

struct Api {
  const void* const* slots = nullptr;

#define WINDLASS_ORT_METHOD(slot, name, result, ...)                                  \
  template <typename... Arguments>                                                    \
  result name(Arguments... arguments) const {                                         \
    return reinterpret_cast<result (*)(__VA_ARGS__)>(const_cast<void*>(slots[slot]))( \
        arguments...);                                                                \
  }
  WINDLASS_ORT_SLOTS(WINDLASS_ORT_METHOD)
#undef WINDLASS_ORT_METHOD
};

// Values of the enumerations, compared by the same test.
inline constexpr int kFloat = 1;
inline constexpr int kInt32 = 6;
inline constexpr int kInt64 = 7;
inline constexpr int kDouble = 11;
inline constexpr int kLogFatal = 4;
inline constexpr int kSequential = 0;
inline constexpr int kDeviceAllocator = 0;
inline constexpr int kDefaultMemory = 0;

// The oldest version of the interface that we ask for (ONNX Runtime 1.11): it has every slot above,
// and every later library serves it.
inline constexpr std::uint32_t kApiVersion = 11;

}  // namespace windlass::ort
