// Wall and CPU time, added up over several stretches.
#pragma once

#include <chrono>

#include "windlass/base/cancel.h"
#include "windlass/base/cpu_clock.h"

namespace windlass {

class Stopwatch {
 public:
  void Start() {
    wall_start_ = Clock::now();
    cpu_start_ = ProcessCpuSeconds();
  }
  void Stop() {
    wall_ += std::chrono::duration<double>(Clock::now() - wall_start_).count();
    cpu_ += ProcessCpuSeconds() - cpu_start_;
  }
  double wall() const { return wall_; }
  double cpu() const { return cpu_; }  // of the whole process

 private:
  Clock::time_point wall_start_{};
  double cpu_start_ = 0;
  double wall_ = 0;
  double cpu_ = 0;
};

}  // namespace windlass
