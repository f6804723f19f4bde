#include "windlass/job/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "windlass/job/record.h"

namespace windlass::job {
namespace {

// Short jobs draw nothing at all; long ones a line at a bearable rate.
constexpr auto kFirst = std::chrono::milliseconds(500);
constexpr auto kBarInterval = std::chrono::milliseconds(100);
constexpr auto kLineInterval = std::chrono::seconds(10);
constexpr int kBarWidth = 24;

std::string Rounded(double value) {
  if (value >= 1e6) return fmt::format("{:.1f}M", value / 1e6);
  if (value >= 1e4) return fmt::format("{:.0f}k", value / 1e3);
  return value >= 10 ? fmt::format("{:.0f}", value) : fmt::format("{:.2g}", value);
}

std::string Duration(double seconds) {
  const std::int64_t whole = std::llround(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

}  // namespace

Progress::Style Progress::DefaultStyle() {
  return ::isatty(STDERR_FILENO) ? Style::kBar : Style::kLines;
}

Progress::~Progress() { End(); }

void Progress::Begin(std::string unit, std::int64_t total) {
  unit_ = std::move(unit);
  total_ = total;
  done_ = 0;
  begun_ = true;
  start_ = shown_ = Clock::now();
  if (record_ != nullptr) record_->SetProgress(unit_, 0, total_);
}

void Progress::Advance(std::int64_t units) {
  done_ += units;
  if (record_ != nullptr) record_->SetProgress(unit_, done_, total_);
  const auto now = Clock::now();
  const auto wait = drawn_ ? (style_ == Style::kBar ? Clock::duration(kBarInterval)
                                                    : Clock::duration(kLineInterval))
                           : Clock::duration(kFirst);
  if (style_ != Style::kQuiet && now - shown_ >= wait) Show(/*last=*/false);
}

void Progress::End() {
  if (begun_ && drawn_) Show(/*last=*/true);
  begun_ = drawn_ = false;
}

void Progress::Show(bool last) {
  const auto now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  std::string line;
  if (total_ > 0) {
    const double part = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
    if (style_ == Style::kBar) {
      const int full = static_cast<int>(part * kBarWidth);
      line = fmt::format("[{}{}] ", std::string(full, '='), std::string(kBarWidth - full, ' '));
    }
    line += fmt::format("{:3.0f}%  {}/{} {}", 100 * part, Rounded(static_cast<double>(done_)),
                        Rounded(static_cast<double>(total_)), unit_);
  } else {
    line = fmt::format("{} {}", Rounded(static_cast<double>(done_)), unit_);
  }
  line += fmt::format("  {}/s", Rounded(rate));
  if (last) {
    line += "  in " + Duration(seconds);
  } else if (total_ > 0 && rate > 0) {
    line += "  " + Duration(static_cast<double>(total_ - done_) / rate) + " left";
  }
  if (style_ == Style::kBar) {
    std::fputs(fmt::format("\r\x1b[K{}{}", line, last ? "\n" : "").c_str(), stderr);
  } else {
    if (style_ == Style::kMarked) line.insert(0, kMark);
    std::fputs((line + "\n").c_str(), stderr);
  }
  std::fflush(stderr);
  drawn_ = true;
  shown_ = now;
}

}  // namespace windlass::job
