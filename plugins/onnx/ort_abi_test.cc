// Compares ort_abi.h with ONNX Runtime's own header, where scripts/setup.sh could fetch it or the
// build was shown one (-DONNX_RUNTIME_HEADER=<folder>); otherwise it is counted as skipped.
#include "ort_abi.h"

#include <gtest/gtest.h>

#if __has_include(<onnxruntime_c_api.h>)
#include <onnxruntime_c_api.h>

#define WINDLASS_SAME_SLOT(slot, name, ...) \
  static_assert(offsetof(OrtApi, name) == (slot) * sizeof(void*), #name);
WINDLASS_ORT_SLOTS(WINDLASS_SAME_SLOT)

static_assert(offsetof(OrtApiBase, GetApi) == offsetof(windlass::ort::ApiBase, GetApi));
static_assert(offsetof(OrtApiBase, GetVersionString) ==
              offsetof(windlass::ort::ApiBase, GetVersionString));
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT == windlass::ort::kFloat);
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 == windlass::ort::kInt32);
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 == windlass::ort::kInt64);
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE == windlass::ort::kDouble);
static_assert(ORT_LOGGING_LEVEL_FATAL == windlass::ort::kLogFatal);
static_assert(ORT_SEQUENTIAL == windlass::ort::kSequential);
static_assert(OrtDeviceAllocator == windlass::ort::kDeviceAllocator);
static_assert(OrtMemTypeDefault == windlass::ort::kDefaultMemory);
static_assert(ORT_API_VERSION >= windlass::ort::kApiVersion);

TEST(OrtAbi, HasTheSlotsOfTheRealHeader) { SUCCEED() << "checked by the compiler"; }
#else
TEST(OrtAbi, HasTheSlotsOfTheRealHeader) {
  GTEST_SKIP() << "no onnxruntime_c_api.h: install Go before `make setup`, or configure with "
                  "-DONNX_RUNTIME_HEADER=<its folder>";
}
#endif
