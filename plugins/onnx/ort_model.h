// A graph run by ONNX Runtime.
#pragma once

#include <memory>

#include "ort_library.h"
#include "windlass/model/onnx_runtime.h"

namespace windlass::ort {

// See OnnxRuntime::Load.
std::unique_ptr<model::Model> MakeOrtModel(const Library& library,
                                           const model::OnnxProgram& program);

}  // namespace windlass::ort
