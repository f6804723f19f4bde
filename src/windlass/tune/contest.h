// A contest's unit: one tuner on one challenge, from its first trial to its last.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/json.h"
#include "windlass/base/registry.h"
#include "windlass/engine/task.h"
#include "windlass/tune/challenge.h"

namespace windlass::tune {

struct Match {
  std::string challenge;
  std::string tuner;
  std::uint64_t seed = 0;
  std::int64_t iterations = 100;

  friend bool operator==(const Match&, const Match&) = default;
};

// What follows from the match alone.
struct MatchResult {
  std::vector<std::optional<double>> scores;  // by trial; none: it failed
  std::optional<double> best;                 // none: no trial has a score
  Json best_values;                           // of the first trial that has it; null
  std::string failure;  // why the tuner could not go on, or the last failed trial's fault; empty

  Json ToJson() const;
  static MatchResult FromJson(const Json& json);
};

// What it took this time.
struct MatchTimes {
  double elapsed_s = 0;
  double tuner_s = 0;      // CPU seconds
  double objective_s = 0;  // CPU seconds
  std::string host;

  Json ToJson() const;
  static MatchTimes FromJson(const Json& json);
};

// Plays a match on its challenge. `check` is called between trials and throws to stop. Faults of a
// tuner that was made, and of trials, are in the result. Throws what making the tuner throws, but
// for Error{kUnsupported}, a space that it cannot search, which is a failure too.
MatchResult Play(const Match& match, const Challenge& challenge, const std::function<void()>& check,
                 MatchTimes& times);

// A match as a task, whose only input is the encoded challenge. At its end it sends
// the event {"match": its key, "times": ...}. Where the challenge's data were read is not in it, so
// that they may lie anywhere.
engine::Task MatchTask(const Match& match, const engine::ObjectRef& challenge);

// What tells a match's task from all others.
std::string MatchKey(const engine::Task& task);

void RegisterMatchTask(Registry& registry);

}  // namespace windlass::tune
