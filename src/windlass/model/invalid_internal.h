// The error of a file that is not what it should be.
#pragma once

#include <string>
#include <utility>

#include "windlass/base/error.h"

namespace windlass::model {

[[noreturn]] inline void ThrowInvalid(std::string message) {
  throw Error(ErrorCode::kInvalidInput, std::move(message));
}

}  // namespace windlass::model
