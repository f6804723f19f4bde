#include "windlass/tune/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <set>
#include <utility>

#include "windlass/base/error.h"
#include "windlass/base/random.h"
#include "windlass/tune/challenge.h"
#include "windlass/tune/tuner.h"

namespace windlass::tune {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t kSampleStream = 0x73616d706c65;  // apart from those of trials

std::vector<std::string> TextsOf(const Json& spec, const char* key) {
  const Json& texts = spec.at(key);
  return texts.is_null() ? std::vector<std::string>() : texts.get<std::vector<std::string>>();
}

// The tables of a folder, by their names.
std::vector<std::string> TablesOf(const Json& folder) {
  std::vector<std::string> tables;
  if (folder.is_null()) return tables;
  const std::filesystem::path path = folder.get<std::string>();
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    const std::string ending = entry.path().extension().string();
    if (ending == ".csv" || ending == ".parquet") tables.push_back(entry.path().string());
  }
  if (error || tables.empty()) {
    throw Error(ErrorCode::kNotFound, fmt::format("data: {} {}", path.string(),
                                                  error ? "cannot be read: " + error.message()
                                                        : "has no .csv and no .parquet file"));
  }
  std::ranges::sort(tables);
  return tables;
}

// Those named, or all of the types named.
std::vector<std::string> ChallengesOf(const Json& spec) {
  const std::vector<std::string> named = TextsOf(spec, "challenges");
  const std::vector<std::string> types = TextsOf(spec, "challenge_types");
  const Registry& registry = Registry::Global();
  const std::vector<std::string> known = registry.Names(ChallengeKind::kRegistryKind);
  std::set<std::string> known_types;
  for (const std::string& name : known) {
    known_types.insert(registry.Find<ChallengeKind>(name).type());
  }
  for (const std::string& type : types) {
    if (known_types.contains(type)) continue;
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("challenge_types: unknown type \"{}\"{}", type,
                            windlass::Suggestion(type, {known_types.begin(), known_types.end()})));
  }
  if (!named.empty()) return named;
  const std::vector<std::string> tables = TablesOf(spec.at("data"));
  std::vector<std::string> found;
  for (const std::string& name : known) {
    const auto& kind = registry.Find<ChallengeKind>(name);
    const bool asked = std::ranges::find(types, kind.type()) != types.end();
    if (!types.empty() && !asked) continue;
    if (!kind.needs_table()) {
      found.push_back(name);
    } else if (asked && tables.empty()) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("challenges of the type {} need tables: \"data\" is to name a folder "
                              "of them, or \"challenges\" single ones, as {}:TABLE",
                              kind.type(), name));
    }
    for (const std::string& table : tables) {
      if (kind.needs_table()) found.push_back(name + ":" + table);
    }
  }
  return found;
}

// `count` of them, in the order that they had.
void Sample(std::vector<std::string>& names, std::size_t count, std::uint64_t seed) {
  Random random(seed, kSampleStream);
  while (names.size() > count) {
    names.erase(names.begin() + static_cast<std::ptrdiff_t>(random.Below(names.size())));
  }
}

double Median(std::vector<double> values) {
  if (values.empty()) return kNone;
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

}  // namespace

BenchPlan MakeBenchPlan(const Json& spec) {
  BenchPlan plan;
  plan.challenges = ChallengesOf(spec);
  const auto seed = spec.at("seed").get<std::uint64_t>();
  if (!spec.at("sample").is_null()) {
    Sample(plan.challenges, spec.at("sample").get<std::size_t>(), seed);
  }
  plan.tuners = TextsOf(spec, "tuners");
  if (plan.tuners.empty()) plan.tuners = Registry::Global().Names(TunerKind::kRegistryKind);
  for (auto* names : {&plan.challenges, &plan.tuners}) {
    std::set<std::string> seen;
    std::erase_if(*names, [&seen](const std::string& name) { return !seen.insert(name).second; });
  }
  // What is wrong with a name or an option is said before anything runs; that a tuner cannot
  // search a space is a result.
  for (const std::string& challenge : plan.challenges) {
    const NamedChallenge named = FindChallenge(challenge);
    plan.encoded.push_back(named.Encode());
    const auto made = named.Make(plan.encoded.back());
    for (const std::string& tuner : plan.tuners) {
      try {
        MakeTuner(tuner, made->space(), seed);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kUnsupported) throw;
      }
      for (std::int64_t i = 0; i < spec.at("seeds").get<std::int64_t>(); ++i) {
        plan.matches.push_back({challenge, tuner, seed + static_cast<std::uint64_t>(i),
                                spec.at("iterations").get<std::int64_t>()});
      }
    }
  }
  return plan;
}

std::vector<std::vector<double>> BestScores(const BenchPlan& plan,
                                            const std::vector<MatchResult>& results) {
  const std::size_t seeds = results.size() / (plan.challenges.size() * plan.tuners.size());
  std::vector<std::vector<double>> best(plan.challenges.size());
  std::size_t next = 0;
  for (auto& row : best) {
    for (std::size_t tuner = 0; tuner < plan.tuners.size(); ++tuner) {
      std::vector<double> scores;
      for (std::size_t seed = 0; seed < seeds; ++seed, ++next) {
        if (results[next].best) scores.push_back(*results[next].best);
      }
      row.push_back(Median(std::move(scores)));
    }
  }
  return best;
}

std::vector<double> Wins(const std::vector<std::vector<double>>& best) {
  std::vector<double> wins(best.empty() ? 0 : best.front().size());
  for (const auto& row : best) {
    double most = -std::numeric_limits<double>::infinity();
    for (const double score : row) most = std::max(most, std::isnan(score) ? most : score);
    const auto winners = static_cast<double>(std::ranges::count(row, most));
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (row[i] == most) wins[i] += 1 / winners;
    }
  }
  return wins;
}

std::vector<double> MeanRanks(const std::vector<std::vector<double>>& best) {
  std::vector<double> ranks(best.empty() ? 0 : best.front().size());
  for (const auto& row : best) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      double better = 0, equal = 0;
      for (const double other : row) {
        better += other > row[i] || (std::isnan(row[i]) && !std::isnan(other));
        equal += other == row[i] || (std::isnan(row[i]) && std::isnan(other));
      }
      ranks[i] += (better + (1 + equal) / 2) / static_cast<double>(best.size());
    }
  }
  return ranks;
}

}  // namespace windlass::tune
