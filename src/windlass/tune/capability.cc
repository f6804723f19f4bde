#include "windlass/tune/capability.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "windlass/base/build_info.h"
#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/hash.h"
#include "windlass/engine/driver.h"
#include "windlass/job/capability.h"
#include "windlass/job/progress.h"
#include "windlass/table/table.h"
#include "windlass/tune/bench.h"
#include "windlass/tune/challenge.h"
#include "windlass/tune/contest.h"
#include "windlass/tune/tuner.h"

namespace windlass::tune {
namespace {

using job::FieldType;
using table::OutputColumn;
using table::OutputValues;

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

const job::Schema& BenchSchema() {
  static const job::Schema schema(
      "tune_bench", 1,
      {{"tuners", "tuners, as gp-ei?xi=0.01; default: all of ours", {FieldType::kTexts}},
       {"challenge_types", "types of challenges; default: all", {FieldType::kTexts}},
       {"challenges", "challenges by name; default: all of the types", {FieldType::kTexts}},
       {"data", "a folder of tables, for challenges that need one", {FieldType::kText}},
       {"sample",
        "so many of the challenges, at random",
        {FieldType::kInteger},
        false,
        nullptr,
        {},
        1.0},
       {"iterations",
        "trials of a tuner on a challenge",
        {FieldType::kInteger},
        false,
        100,
        {},
        1.0,
        1e6},
       {"seeds",
        "how often each tuner meets each challenge",
        {FieldType::kInteger},
        false,
        1,
        {},
        1.0,
        1e6},
       {"seed", "the first seed", {FieldType::kInteger}, false, 0, {}, 0.0, 0x1p53}},
      {"data"});
  return schema;
}

// What matches took: from their events, or from where earlier jobs left it.
class Times {
 public:
  explicit Times(store::Store* memo) : memo_(memo) {}

  void Note(const Json& event) {
    const std::string match = event.at("match");
    const Json& times = event.at("times");
    found_[match] = MatchTimes::FromJson(times);
    if (memo_ != nullptr) memo_->Remember(KeyOf(match), Bytes(CanonicalDump(times)));
  }

  std::optional<MatchTimes> Of(const std::string& match) {
    if (const auto found = found_.find(match); found != found_.end()) return found->second;
    const auto kept = memo_ != nullptr ? memo_->Recall(KeyOf(match)) : std::nullopt;
    if (!kept) return std::nullopt;
    return MatchTimes::FromJson(ParseJson(kept->view(), "times of a match"));
  }

 private:
  static Hash KeyOf(const std::string& match) { return HashOf("tune.match times " + match); }

  store::Store* memo_;
  std::map<std::string, MatchTimes> found_;
};

OutputValues Texts(std::vector<std::string> texts) { return {{}, {}, std::move(texts)}; }

// A row a challenge, a column a tuner.
void WriteScores(const BenchPlan& plan, const std::vector<std::vector<double>>& best,
                 const std::string& path) {
  std::vector<OutputColumn> columns = {{"challenge", OutputColumn::Type::kText}};
  std::vector<OutputValues> values = {Texts(plan.challenges)};
  for (std::size_t tuner = 0; tuner < plan.tuners.size(); ++tuner) {
    columns.push_back({plan.tuners[tuner], OutputColumn::Type::kDouble});
    OutputValues& column = values.emplace_back();
    for (const auto& row : best) column.doubles.push_back(row[tuner]);
  }
  const auto writer = table::CreateCsv(path, columns);
  writer->Append(values);
  writer->Close();
}

// A row a match.
void WriteMatches(const BenchPlan& plan, const std::vector<MatchResult>& results,
                  const std::string& path) {
  OutputValues challenge, tuner, seed, score, iterations, values, failure;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Match& match = plan.matches[i];
    challenge.texts.push_back(match.challenge);
    tuner.texts.push_back(match.tuner);
    seed.integers.push_back(static_cast<std::int64_t>(match.seed));
    score.doubles.push_back(results[i].best.value_or(kMissing));
    iterations.integers.push_back(std::ssize(results[i].scores));
    values.texts.push_back(results[i].best ? CanonicalDump(results[i].best_values) : "");
    failure.texts.push_back(results[i].failure);
  }
  const auto writer = table::CreateCsv(path, {{"challenge", OutputColumn::Type::kText},
                                              {"tuner", OutputColumn::Type::kText},
                                              {"seed", OutputColumn::Type::kInt64},
                                              {"score", OutputColumn::Type::kDouble},
                                              {"iterations", OutputColumn::Type::kInt64},
                                              {"best_values", OutputColumn::Type::kText},
                                              {"failure", OutputColumn::Type::kText}});
  writer->Append({challenge, tuner, seed, score, iterations, values, failure});
  writer->Close();
}

class TuneBench final : public job::Capability {
 public:
  const job::Schema& schema() const override { return BenchSchema(); }

  Json Run(const Json& spec, job::Context& context) const override {
    const BenchPlan plan = MakeBenchPlan(spec);
    context.progress().Begin("matches", std::ssize(plan.matches));
    Times times(context.memo());
    context.session().OnEvent([&times](engine::TaskId, const Json& event) { times.Note(event); });
    std::vector<engine::Task> tasks;
    std::map<std::string, engine::ObjectRef> challenges;
    for (std::size_t i = 0; i < plan.challenges.size(); ++i) {
      challenges[plan.challenges[i]] = context.session().Put(plan.encoded[i]);
    }
    for (const Match& match : plan.matches) {
      tasks.push_back(MatchTask(match, challenges.at(match.challenge)));
    }
    std::vector<MatchResult> results;
    std::size_t next = 0;
    const engine::DriveStats stats = engine::Drive(
        context.session(), {context.memo()}, context.token(),
        [&]() -> std::optional<engine::DriveTask> {
          if (next == tasks.size()) return std::nullopt;
          return engine::DriveTask{tasks[next++], {}};
        },
        [&](std::int64_t, const Bytes& result) {
          results.push_back(MatchResult::FromJson(ParseJson(result.view(), "a match's result")));
          context.progress().Advance(1);
        });
    context.session().OnEvent({});
    context.Count(stats);
    NoteTimes(tasks, times, context);
    return Write(plan, results, context);
  }

 private:
  static void NoteTimes(const std::vector<engine::Task>& tasks, Times& times,
                        job::Context& context) {
    double tuners_s = 0, objectives_s = 0;
    for (const engine::Task& task : tasks) {
      const auto took = times.Of(MatchKey(task));
      if (!took) continue;
      tuners_s += took->tuner_s;
      objectives_s += took->objective_s;
    }
    context.Timing("tuners", tuners_s, tuners_s);
    context.Timing("objectives", objectives_s, objectives_s);
  }

  static Json Write(const BenchPlan& plan, const std::vector<MatchResult>& results,
                    job::Context& context) {
    const std::vector<std::vector<double>> best = BestScores(plan, results);
    WriteScores(plan, best, context.Output("scores.csv"));
    WriteMatches(plan, results, context.Output("matches.csv"));
    Json summary = {{"challenges", plan.challenges},
                    {"tuners", plan.tuners},
                    {"scores", Json::array()},
                    {"wins", Wins(best)},
                    {"mean_ranks", MeanRanks(best)},
                    {"spec", context.given()},
                    {"versions", {{"windlass", Version()}}}};
    for (const auto& row : best) {
      Json& line = summary["scores"].emplace_back(Json::array());
      for (const double score : row) line.push_back(std::isnan(score) ? Json() : Json(score));
    }
    WriteFileAtomically(context.Output("summary.json"), summary.dump(2) + "\n");
    return summary;
  }
};

}  // namespace

void RegisterTune(Registry& registry) {
  RegisterTuners(registry);
  RegisterChallenges(registry);
  RegisterMatchTask(registry);
  registry.Add<job::Capability>("tune_bench", std::make_shared<TuneBench>());
}

}  // namespace windlass::tune
