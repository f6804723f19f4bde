// How far a job is: a bar on a terminal, plain lines when piped, nothing when quiet.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "windlass/base/cancel.h"
#include "windlass/base/export.h"

namespace windlass::job {

class JobRecord;

class Progress {
 public:
  // kMarked: lines that begin with kMark, which a program can tell from others.
  enum class Style { kQuiet, kLines, kBar, kMarked };
  static constexpr std::string_view kMark = "progress: ";

  // kBar when standard error is a terminal, else kLines.
  WINDLASS_API static Style DefaultStyle();

  // `record` (may be null) is told as well.
  Progress(Style style, JobRecord* record) : style_(style), record_(record) {}
  ~Progress();

  // What is counted ("rows") and how many there are; 0 when that is not known.
  void Begin(std::string unit, std::int64_t total);
  void Advance(std::int64_t units);
  void End();  // draws the last state; also when an error ends the job

 private:
  void Show(bool last);

  Style style_;
  JobRecord* record_;
  std::string unit_ = "rows";
  std::int64_t total_ = 0;
  std::int64_t done_ = 0;
  bool begun_ = false;
  bool drawn_ = false;
  Clock::time_point start_{};
  Clock::time_point shown_{};
};

}  // namespace windlass::job
