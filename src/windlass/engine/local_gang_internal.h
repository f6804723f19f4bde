// The tasks of one gang on threads of this process: they begin together, exchange messages, and
// are retried together.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "windlass/base/cancel.h"
#include "windlass/base/error.h"
#include "windlass/engine/worker.h"

namespace windlass::engine {

// Thread safe: each member on a thread of its own.
class LocalGang {
 public:
  LocalGang(int size, int attempts);

  // Waits for all members, and runs `attempt` once, or again when the gang is retried: it gives
  // what went wrong, or nothing, and stops once the token says so. Returns when all members have
  // ended, with the error of the whole gang for this member. `attempts`: how often it ran.
  using Attempt = std::function<std::optional<Error>(const GangMember&, const CancelToken&)>;
  std::optional<Error> Run(int rank, const Attempt& attempt, int& attempts);

  // Asks all members to stop; those that have yet to come will not.
  void Cancel();

 private:
  std::vector<std::string> Exchange(int rank, const std::string& message,
                                    const std::function<bool()>& stop);
  void EndAttempt(int rank, std::optional<Error> error);  // under the lock
  std::optional<Error> Verdict(int rank) const;

  struct Failure {
    int rank = 0;
    Error error;
  };
  struct Round {
    std::vector<std::string> messages;  // by rank
    int given = 0;
  };

  const int size_;
  const int most_attempts_;

  std::mutex mutex_;  // guards all that follows
  std::condition_variable changed_;
  int arrived_ = 0;
  bool cancelled_ = false;

  // Of one attempt:
  int attempt_ = 1;
  CancelToken token_;
  std::optional<Failure> failure_;   // the first one
  std::vector<std::size_t> rounds_;  // how many exchanges each member has begun
  std::vector<bool> ended_;
  int ended_count_ = 0;
  std::deque<Round> exchanges_;  // of the attempt, from the first on
  bool over_ = false;            // the last attempt is
};

}  // namespace windlass::engine
