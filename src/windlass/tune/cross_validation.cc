#include "windlass/tune/cross_validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>
#include <utility>

#include "windlass/base/error.h"

namespace windlass::tune {
namespace {

// NumPy's legacy generator: std::mt19937 has the same seeding and the same stream.
class NumpyRandom {
 public:
  explicit NumpyRandom(std::uint32_t seed) : generator_(seed) {}

  // Fisher and Yates, from the end; RandomState.shuffle.
  void Shuffle(std::vector<int>& values) {
    for (std::size_t i = values.size(); i-- > 1;) {
      std::swap(values[i], values[UpTo(static_cast<std::uint32_t>(i))]);
    }
  }

 private:
  // In 0..most, both included; random_interval.
  std::uint32_t UpTo(std::uint32_t most) {
    std::uint32_t mask = most;
    for (const int shift : {1, 2, 4, 8, 16}) mask |= mask >> shift;
    for (;;) {
      const std::uint32_t value = static_cast<std::uint32_t>(generator_()) & mask;
      if (value <= most) return value;
    }
  }

  std::mt19937 generator_;
};

}  // namespace

std::vector<int> StratifiedFolds(std::span<const std::int64_t> labels, int folds,
                                 std::uint32_t seed) {
  const auto rows = std::ssize(labels);
  if (folds < 2 || folds > rows) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} folds of {} rows: at least 2, and at most one a row, were expected",
                            folds, rows));
  }
  // Classes by their first rows, and which rows each has.
  std::map<std::int64_t, std::size_t> number;
  std::vector<std::vector<std::int64_t>> rows_of;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto [at, added] = number.emplace(labels[static_cast<std::size_t>(row)], rows_of.size());
    if (added) rows_of.emplace_back();
    rows_of[at->second].push_back(row);
  }
  const auto largest =
      std::ranges::max(rows_of, {}, [](const auto& of) { return of.size(); }).size();
  if (std::cmp_less(largest, folds)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} folds, but the largest class has {} rows: there must be a class "
                            "with one a fold",
                            folds, largest));
  }
  NumpyRandom random(seed);
  std::vector<int> fold_of(labels.size());
  std::int64_t first = 0;  // of this class among all labels in the order of their classes
  for (const auto& of : rows_of) {
    // Label i of that order counts for fold i % folds.
    std::vector<std::int64_t> held_out(static_cast<std::size_t>(folds));
    for (std::int64_t i = first; i < first + std::ssize(of); ++i) {
      ++held_out[static_cast<std::size_t>(i % folds)];
    }
    first += std::ssize(of);
    std::vector<int> chosen;
    for (int fold = 0; fold < folds; ++fold) {
      chosen.insert(chosen.end(),
                    static_cast<std::size_t>(held_out[static_cast<std::size_t>(fold)]), fold);
    }
    random.Shuffle(chosen);
    for (std::size_t i = 0; i < of.size(); ++i) {
      fold_of[static_cast<std::size_t>(of[i])] = chosen[i];
    }
  }
  return fold_of;
}

double MacroF1(std::span<const std::int64_t> labels, std::span<const std::int64_t> predicted) {
  struct Counts {
    double hits = 0, labelled = 0, predicted = 0;
  };
  std::map<std::int64_t, Counts> classes;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    ++classes[labels[i]].labelled;
    ++classes[predicted[i]].predicted;
    if (labels[i] == predicted[i]) ++classes[labels[i]].hits;
  }
  double sum = 0;
  for (const auto& [label, counts] : classes) {
    sum += 2 * counts.hits / (counts.labelled + counts.predicted);
  }
  return sum / static_cast<double>(classes.size());
}

}  // namespace windlass::tune
