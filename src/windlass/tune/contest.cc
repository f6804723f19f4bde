#include "windlass/tune/contest.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <utility>

#include "windlass/base/cancel.h"
#include "windlass/base/cpu_clock.h"
#include "windlass/base/error.h"
#include "windlass/base/process.h"
#include "windlass/tune/challenge.h"
#include "windlass/tune/tuner.h"

namespace windlass::tune {
namespace {

constexpr const char* kKind = "tune.match";
constexpr std::int32_t kVersion = 1;  // raise it when the same match would give other bytes

class MatchTaskKind final : public engine::TaskKind {
 public:
  std::int32_t version() const override { return kVersion; }

  Bytes Run(const engine::Task& task, engine::TaskContext& context) const override {
    const Json arguments = ParseJson(task.arguments, "a match");
    const Match match = {"", arguments.at("tuner"), arguments.at("seed"),
                         arguments.at("iterations")};
    const auto challenge = context.Cached<Challenge>(0, DecodeChallenge);
    MatchTimes times;
    const MatchResult result = Play(
        match, *challenge, [&] { context.CheckCancelled(); }, times);
    context.Event({{"match", MatchKey(task)}, {"times", times.ToJson()}});
    return Bytes(CanonicalDump(result.ToJson()));
  }
};

// The score of a trial, or nothing where it failed; adds to the times.
std::optional<double> Try(const Challenge& challenge, const Point& point,
                          const std::function<void()>& check, MatchTimes& times,
                          std::string& failure) {
  const double begun = ThreadCpuSeconds();
  std::optional<double> score;
  try {
    score = challenge.Score(point, check);
    if (!std::isfinite(*score)) {
      failure = fmt::format("a score of {}", *score);
      score.reset();
    }
  } catch (const Error& error) {
    check();  // it may be the wish to stop
    failure = error.what();
  }
  times.objective_s += ThreadCpuSeconds() - begun;
  return score;
}

}  // namespace

Json MatchResult::ToJson() const {
  Json json = {{"scores", Json::array()},
               {"best", nullptr},
               {"best_values", best_values},
               {"failure", failure}};
  for (const auto& score : scores) json["scores"].push_back(score ? Json(*score) : Json());
  if (best) json["best"] = *best;
  return json;
}

MatchResult MatchResult::FromJson(const Json& json) {
  MatchResult result;
  for (const Json& score : json.at("scores")) {
    result.scores.push_back(score.is_null() ? std::nullopt : std::optional(score.get<double>()));
  }
  if (!json.at("best").is_null()) result.best = json.at("best").get<double>();
  result.best_values = json.at("best_values");
  result.failure = json.at("failure");
  return result;
}

Json MatchTimes::ToJson() const {
  return {{"elapsed_s", elapsed_s},
          {"tuner_s", tuner_s},
          {"objective_s", objective_s},
          {"hostname", host}};
}

MatchTimes MatchTimes::FromJson(const Json& json) {
  return {json.at("elapsed_s"), json.at("tuner_s"), json.at("objective_s"), json.at("hostname")};
}

MatchResult Play(const Match& match, const Challenge& challenge, const std::function<void()>& check,
                 MatchTimes& times) {
  const auto begun = Clock::now();
  const Space& space = challenge.space();
  MatchResult result;
  times = {};
  times.host = HostName();
  const auto tuned = [&times](const auto& what) {
    const double before = ThreadCpuSeconds();
    what();
    times.tuner_s += ThreadCpuSeconds() - before;
  };
  try {
    std::unique_ptr<Tuner> tuner;
    tuned([&] { tuner = MakeTuner(match.tuner, space, match.seed); });
    for (std::int64_t trial = 0; trial < match.iterations; ++trial) {
      check();
      Suggestion suggestion;
      tuned([&] {
        suggestion = tuner->Suggest(1).at(0);
        space.Check(suggestion.point);
      });
      const auto score = Try(challenge, suggestion.point, check, times, result.failure);
      result.scores.push_back(score);
      if (score && (!result.best || *score > *result.best)) {
        result.best = score;
        result.best_values = space.ToJson(suggestion.point);
      }
      tuned([&] { tuner->Observe({trial, suggestion.point, score, suggestion.fidelity}); });
    }
  } catch (const Error& error) {
    check();
    if (error.code() == ErrorCode::kInvalidInput || error.code() == ErrorCode::kNotFound) throw;
    result.failure = error.what();
  }
  times.elapsed_s = std::chrono::duration<double>(Clock::now() - begun).count();
  return result;
}

engine::Task MatchTask(const Match& match, const engine::ObjectRef& challenge) {
  engine::Task task;
  task.kind = kKind;
  task.version = kVersion;
  task.arguments = CanonicalDump({{"libraries", FindChallenge(match.challenge).kind->libraries()},
                                  {"tuner", match.tuner},
                                  {"seed", match.seed},
                                  {"iterations", match.iterations}});
  task.inputs = {challenge};
  return task;
}

std::string MatchKey(const engine::Task& task) {
  return task.arguments + " of " + task.inputs.at(0).hash.Hex();
}

void RegisterMatchTask(Registry& registry) {
  registry.Add<engine::TaskKind>(kKind, std::make_shared<MatchTaskKind>());
}

}  // namespace windlass::tune
