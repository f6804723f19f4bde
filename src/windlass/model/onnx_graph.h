// Our own reader of ONNX files: enough of the format to see whether a graph is a linear model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/model/model.h"

namespace windlass::model {

struct OnnxLinear {
  LinearStructure structure;
  std::vector<std::string> output_names;  // class labels where the graph has them, else empty
};

// Checks that `content` is a well-formed ONNX model and recognises it when its graph is linear:
// Scaler, Gemm or MatMul + Add (with Identity, Cast, Reshape, Squeeze that do not change values,
// Mul / Sub / Div by constants), LinearClassifier or LinearRegressor, then optionally Sigmoid,
// Softmax or a post_transform; ZipMap is looked through. Returns nothing for a valid graph that
// is not linear, or that is but only in single precision arithmetic that cannot be told apart
// from its double form (see the comment in the source on what is accepted).
//
// Throws Error{kInvalidInput} naming `what` for bytes that are not an ONNX model.
std::optional<OnnxLinear> ReadOnnxLinear(std::string_view content, std::string_view what);

}  // namespace windlass::model
