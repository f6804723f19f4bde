#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "windlass/engine/local_gang_internal.h"

namespace windlass::engine {
namespace {

// How often a member that waits for others looks at its own clock.
constexpr std::chrono::milliseconds kLook{20};

Error Cancelled() { return Error(ErrorCode::kCancelled, "the task's gang was cancelled"); }

}  // namespace

LocalGang::LocalGang(int size, int attempts)
    : size_(size),
      most_attempts_(attempts),
      rounds_(static_cast<std::size_t>(size)),
      ended_(static_cast<std::size_t>(size)) {}

std::optional<Error> LocalGang::Run(int rank, const Attempt& attempt, int& attempts) {
  std::unique_lock lock(mutex_);
  ++arrived_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return arrived_ == size_ || cancelled_; });
  if (arrived_ < size_) {  // no other one will come
    attempts = 0;
    return Cancelled();
  }
  const GangMember member{
      {rank, size_, "127.0.0.1"},
      [this, rank](const std::string& message, const std::function<bool()>& stop) {
        return Exchange(rank, message, stop);
      }};
  for (;;) {
    const int number = attempt_;
    attempts = number;
    const CancelToken token = token_;
    lock.unlock();
    std::optional<Error> error = attempt(member, token);
    lock.lock();
    EndAttempt(rank, std::move(error));
    changed_.wait(lock, [&] { return over_ || attempt_ > number; });
    if (over_) return Verdict(rank);
  }
}

// The last member to end decides how it goes on.
void LocalGang::EndAttempt(int rank, std::optional<Error> error) {
  if (error && !failure_) {
    failure_ = Failure{rank, std::move(*error)};
    token_.Cancel();
  }
  ended_[static_cast<std::size_t>(rank)] = true;
  changed_.notify_all();
  if (++ended_count_ < size_) return;
  if (!failure_ || !failure_->error.retryable() || cancelled_ || attempt_ >= most_attempts_) {
    over_ = true;
    return;
  }
  ++attempt_;
  token_ = CancelToken();
  failure_.reset();
  rounds_.assign(static_cast<std::size_t>(size_), 0);
  ended_.assign(static_cast<std::size_t>(size_), false);
  ended_count_ = 0;
  exchanges_.clear();
}

std::optional<Error> LocalGang::Verdict(int rank) const {
  if (!failure_) return std::nullopt;
  if (cancelled_) return Cancelled();
  if (failure_->rank == rank) return failure_->error;
  return Error(failure_->error.code(),
               fmt::format("task {} of a gang of {} failed", failure_->rank, size_),
               failure_->error);
}

void LocalGang::Cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  token_.Cancel();
  changed_.notify_all();
}

std::vector<std::string> LocalGang::Exchange(int rank, const std::string& message,
                                             const std::function<bool()>& stop) {
  std::unique_lock lock(mutex_);
  const std::size_t index = rounds_[static_cast<std::size_t>(rank)]++;
  while (exchanges_.size() <= index) {
    exchanges_.push_back({std::vector<std::string>(static_cast<std::size_t>(size_)), 0});
  }
  Round& round = exchanges_[index];  // a deque's elements stay where they are
  round.messages[static_cast<std::size_t>(rank)] = message;
  ++round.given;
  changed_.notify_all();
  while (round.given < size_) {
    for (std::size_t other = 0; other < ended_.size(); ++other) {
      if (ended_[other] && rounds_[other] <= index && !failure_) {
        throw Error(ErrorCode::kInternal,
                    fmt::format("task {} of a gang waits for exchange {}, which task {} ended "
                                "without",
                                rank, index + 1, other));
      }
    }
    if (stop()) throw Cancelled();
    changed_.wait_for(lock, kLook);
  }
  return round.messages;
}

}  // namespace windlass::engine
