// The formats of this library, for RegisterModelFormats.
#pragma once

#include <memory>

#include "windlass/model/model.h"

namespace windlass::model {

std::shared_ptr<const ModelFormat> MakeCommandFormat();
std::shared_ptr<const ModelFormat> MakeLightGBMFormat();
std::shared_ptr<const ModelFormat> MakeLinearFormat();
std::shared_ptr<const ModelFormat> MakeOipFormat();
std::shared_ptr<const ModelFormat> MakeOnnxFormat();
std::shared_ptr<const ModelFormat> MakePythonFormat();
std::shared_ptr<const ModelFormat> MakeXGBoostFormat();

}  // namespace windlass::model
