// The benchmark: every tuner on every challenge, and the table of their best scores.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/base/json.h"
#include "windlass/tune/contest.h"

namespace windlass::tune {

struct BenchPlan {
  std::vector<std::string> challenges;
  std::vector<Bytes> encoded;  // for each of them, NamedChallenge::Encode
  std::vector<std::string> tuners;
  std::vector<Match> matches;  // by challenge, tuner, seed
};

// From a normalised spec of kind "tune_bench". Throws Error{kInvalidInput, kNotFound} for a tuner,
// a challenge or a type of challenges that is unknown or made wrongly, and what reading the
// challenges' data throws.
BenchPlan MakeBenchPlan(const Json& spec);

// Best scores [challenges, tuners]: of several seeds the median (of an even number the mean of the
// two in the middle); NaN where no seed has a score.
std::vector<std::vector<double>> BestScores(const BenchPlan& plan,
                                            const std::vector<MatchResult>& results);

// For each tuner the number of challenges that it wins: a share 1/k where k are equally good.
std::vector<double> Wins(const std::vector<std::vector<double>>& best);

// For each tuner its mean rank over the challenges, 1 the best: equal ones share the mean of their
// ranks, and those without a score the last ones.
std::vector<double> MeanRanks(const std::vector<std::vector<double>>& best);

}  // namespace windlass::tune
