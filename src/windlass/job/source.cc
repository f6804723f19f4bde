#include "windlass/job/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"

namespace windlass::job {
namespace {

constexpr auto kForcedEnd = std::chrono::seconds(10);

// Waits between looks: short ones for short jobs.
class Pause {
 public:
  explicit Pause(const JobSource& source) : longest_(source.longest_pause()) {}

  void Shorten() { length_ = kShortest; }

  void operator()() {
    std::this_thread::sleep_for(length_);
    ProcessCancelToken().Check();
    length_ = std::min(length_ * 5 / 4, longest_);
  }

 private:
  static constexpr std::chrono::microseconds kShortest = std::chrono::milliseconds(2);
  std::chrono::microseconds longest_;
  std::chrono::microseconds length_ = kShortest;
};

// Null when the time ran out.
std::optional<JobInfo> WaitUntil(JobSource& source, std::string_view id, Deadline deadline,
                                 const std::function<void(const JobInfo&)>& look) {
  for (Pause pause(source);; pause()) {
    JobInfo info = source.Find(id);
    if (look) look(info);
    if (info.ended()) return info;
    if (Clock::now() >= deadline) return std::nullopt;
  }
}

}  // namespace

JobInfo FollowLog(JobSource& source, std::string_view id,
                  const std::function<void(std::string_view)>& write) {
  std::int64_t at = 0;
  for (Pause pause(source);; pause()) {
    const JobSource::LogPiece piece = source.ReadLog(id, at);
    at += std::ssize(piece.text);
    if (!piece.text.empty()) {
      write(piece.text);
      pause.Shorten();  // more may follow soon
    }
    if (piece.last) return source.Find(id);
  }
}

JobInfo WaitForJob(JobSource& source, std::string_view id, std::chrono::milliseconds timeout,
                   const std::function<void(const JobInfo&)>& look) {
  if (auto info = WaitUntil(source, id, Clock::now() + timeout, look)) return std::move(*info);
  throw Error(ErrorCode::kDeadlineExceeded,
              fmt::format("job {} has not ended within {} s", id,
                          std::chrono::duration<double>(timeout).count()));
}

StopResult StopJob(JobSource& source, std::string_view id, std::chrono::milliseconds timeout) {
  StopResult result;
  result.job = source.Find(id);
  result.had_ended = result.job.ended();
  if (result.had_ended) return result;
  const std::string whole = result.job.id;
  source.RequestStop(whole, /*force=*/false);
  auto ended = WaitUntil(source, whole, Clock::now() + timeout, {});
  if (!ended) {
    result.forced = true;
    source.RequestStop(whole, /*force=*/true);
    ended = WaitUntil(source, whole, Clock::now() + kForcedEnd, {});
  }
  if (!ended) {
    throw Error(ErrorCode::kDeadlineExceeded,
                fmt::format("job {} was killed and has not ended {} s after that", whole,
                            kForcedEnd.count()));
  }
  result.job = std::move(*ended);
  return result;
}

}  // namespace windlass::job
