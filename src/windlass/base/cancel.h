// A flag that says "stop soon", shared by whoever may ask and whoever must look.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>

#include "windlass/base/export.h"

namespace windlass {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

class CancelToken {
 public:
  CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}

  void Cancel() const { flag_->store(true, std::memory_order_relaxed); }
  bool cancelled() const { return flag_->load(std::memory_order_relaxed); }

  // Throws Error{kCancelled} when cancelled.
  void Check() const;

 private:
  std::shared_ptr<std::atomic<bool>> flag_;
};

// The token that SIGINT and SIGTERM cancel, once InstallSignalHandlers was called. A second
// signal ends the process at once with status 130.
WINDLASS_API const CancelToken& ProcessCancelToken();
WINDLASS_API void InstallSignalHandlers();

}  // namespace windlass
