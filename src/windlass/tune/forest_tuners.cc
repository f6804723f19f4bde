#include "windlass/tune/forest_tuners.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <utility>
#include <vector>

#include "windlass/tune/forest.h"
#include "windlass/tune/normal.h"
#include "windlass/tune/normal_lanes_internal.h"
#include "windlass/tune/sobol_sequence.h"
#include "windlass/tune/tried_points.h"
#include "windlass/tune/tuner_options_internal.h"

namespace windlass::tune {
namespace {

enum class ForestAcquisition { kExpectedImprovement, kConfidenceBound, kProbability };

struct ForestTunerOptions {
  ForestAcquisition acquisition = ForestAcquisition::kExpectedImprovement;
  std::int64_t startup = 10;  // trials of a scrambled Sobol' sequence
  std::int64_t candidates = 1000;
  double random = 0.08;  // which part of the trials is at random
  double xi = 0;         // the least improvement, in units of the forest's targets
  double beta = 1;       // of the confidence bound: how many standard deviations
  ForestOptions forest;
};

// Local searches start from as many of the best trials, and of the best candidates.
constexpr std::size_t kStarts = 10;
constexpr int kMostSteps = 30;
constexpr int kDraws = 4;  // neighbours of a point by parameter

class ForestTuner final : public Tuner {
 public:
  ForestTuner(const Space& space, std::uint64_t seed, const ForestTunerOptions& options)
      : space_(space),
        seed_(seed),
        options_(options),
        start_(static_cast<int>(space.varied().size()), seed),
        forest_(Categories(space), options.forest) {}

  std::vector<Suggestion> Suggest(int count) override {
    return trials_.Suggest(count, [this] { return Next(); });
  }

  void Observe(const Observation& seen) override {
    trials_.End(seen.trial, seen.point);
    points_.push_back(seen.point);
    rows_.push_back(Row(seen.point));
    scores_.push_back(seen.score);
  }

 private:
  struct Candidate {
    double value = 0;
    Point point;
  };

  // A category beside the parameter's own is "does not count".
  static std::vector<int> Categories(const Space& space) {
    std::vector<int> categories;
    for (const int i : space.varied()) {
      categories.push_back(
          space[i].ordered() ? 0
                             : static_cast<int>(std::min<std::int64_t>(space[i].size(), 1000)) + 1);
    }
    return categories;
  }

  // What the forest sees of a point: coordinates and categories, -1 (0) where they do not count.
  std::vector<double> Row(const Point& point) const {
    std::vector<double> row;
    row.reserve(space_.varied().size());
    for (const int i : space_.varied()) {
      const double value = point[static_cast<std::size_t>(i)];
      const bool ordered = space_[i].ordered();
      row.push_back(std::isnan(value) ? (ordered ? -1 : 0)
                    : ordered         ? space_[i].ToUnit(value)
                                      : value + 1);
    }
    return row;
  }

  Point Next() {
    const auto trial = static_cast<std::uint64_t>(trials_.next());
    Random random(seed_, trial);
    Point point;
    if (std::ssize(scores_) < options_.startup || Fit(random) < 2) {
      point = space_.FromUnit(start_.At(trial));
    } else if (random.Uniform() < options_.random) {
      point = space_.Sample(random);
    } else {
      point = Best(random);
    }
    if (!trials_.tried().Has(point)) return point;
    return trials_.tried().Untried(random).value_or(point);
  }

  // Fits the forest to what was seen, failed trials as bad as the worst one, and to what is under
  // way as if it were as good as the lower quarter of it. Returns how many trials have a score.
  int Fit(Random& random) {
    std::vector<double> targets;
    for (const auto& score : scores_) {
      if (score) targets.push_back(*score);
    }
    const auto scored = static_cast<int>(targets.size());
    if (scored < 2) return scored;
    std::vector<double> sorted = targets;
    std::ranges::sort(sorted);
    top_ = sorted.back();
    range_ = top_ / 2 - sorted[sorted.size() / 20] / 2;
    targets.clear();
    for (const auto& score : scores_)
      targets.push_back(Transformed(score ? *score : sorted.front()));
    best_ = Transformed(sorted.back());
    std::vector<const double*> rows;
    for (const std::vector<double>& row : rows_) rows.push_back(row.data());
    std::vector<std::vector<double>> waiting;
    for (const auto& [number, one] : trials_.under_way()) {
      waiting.push_back(Row(one));
      targets.push_back(Transformed(sorted[sorted.size() / 4]));
    }
    for (const std::vector<double>& row : waiting) rows.push_back(row.data());
    forest_.Fit(rows, targets, random);
    return scored;
  }

  // The logarithm of the loss against the best score, as SMAC takes that of costs: what is far from
  // it all looks alike, and what is near is told apart down to 1 % of the range of the better 95 %.
  double Transformed(double score) const {
    if (!(range_ > 0)) return score < top_ ? -1.0 : 0.0;
    return -Log(std::min((top_ / 2 - score / 2) / range_, 1e12) + 0.01);
  }

  double Value(const Point& point) const {
    const RegressionForest::Prediction at = forest_.Predict(Row(point).data());
    const double deviation = std::sqrt(at.variance);
    if (options_.acquisition == ForestAcquisition::kConfidenceBound) {
      return at.mean + options_.beta * deviation;
    }
    const double above = at.mean - best_ - options_.xi;
    const double z = above / std::max(deviation, 1e-12);
    if (options_.acquisition == ForestAcquisition::kProbability)
      return z;  // ordered as its probability
    return above * NormalCdf(z) + deviation * NormalDensity(z);
  }

  Point Best(Random& random) const {
    std::vector<Candidate> found;
    for (std::int64_t i = 0; i < options_.candidates; ++i) {
      Point point = space_.Sample(random);
      const double value = Value(point);
      found.push_back({value, std::move(point)});
    }
    const auto better = [](const Candidate& a, const Candidate& b) { return a.value > b.value; };
    std::ranges::stable_sort(found, better);
    found.resize(std::min(found.size(), kStarts));
    std::vector<Point> starts;
    for (const Candidate& one : found) starts.push_back(one.point);
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < scores_.size(); ++i) {
      if (scores_[i]) order.push_back(i);
    }
    std::ranges::stable_sort(
        order, [&](std::size_t a, std::size_t b) { return *scores_[a] > *scores_[b]; });
    for (std::size_t i = 0; i < std::min(order.size(), kStarts); ++i)
      starts.push_back(points_[order[i]]);
    for (const Point& start : starts) Climb(start, random, found);
    std::ranges::stable_sort(found, better);
    for (const Candidate& one : found) {
      if (!trials_.tried().Has(one.point)) return one.point;
    }
    return found.front().point;
  }

  // To the best neighbour until there is no better one. From a point that was tried, to the best
  // one that was not.
  void Climb(const Point& start, Random& random, std::vector<Candidate>& found) const {
    const bool tried = trials_.tried().Has(start);
    Candidate at{tried ? -std::numeric_limits<double>::infinity() : Value(start), start};
    for (int step = 0; step < kMostSteps; ++step) {
      Candidate next = at;
      const std::vector<double> coordinates = space_.ToUnit(at.point);
      for (std::size_t i = 0; i < coordinates.size(); ++i) {
        const Parameter& parameter = space_[space_.varied()[i]];
        if (std::isnan(at.point[static_cast<std::size_t>(space_.varied()[i])])) continue;
        for (int draw = 0; draw < kDraws; ++draw) {
          std::vector<double> moved = coordinates;
          moved[i] = parameter.ordered() ? Moved(moved[i], random) : random.Uniform();
          Point point = space_.FromUnit(moved);
          if (trials_.tried().Has(point)) continue;
          const double value = Value(point);
          if (value > next.value) next = {value, std::move(point)};
        }
      }
      if (!(next.value > at.value)) break;
      at = std::move(next);
    }
    found.push_back(std::move(at));
  }

  // A normal step whose size is spread over two decades (SMAC's is 0.2 always, which ends far from
  // an optimum).
  static double Moved(double coordinate, Random& random) {
    const double step = 0.3 * Exp(-2 * std::numbers::ln10 * random.Uniform());
    return std::clamp(coordinate + step * RandomNormal(random), 0.0, 1.0);
  }

  const Space space_;
  const std::uint64_t seed_;
  const ForestTunerOptions options_;
  const SobolSequence start_;
  Trials trials_{space_};
  std::vector<Point> points_;
  std::vector<std::vector<double>> rows_;
  std::vector<std::optional<double>> scores_;
  RegressionForest forest_;
  double top_ = 0, range_ = 0;  // the best score, and half of what it is above the worst 5 %
  double best_ = 0;             // as a target
};

class ForestKind final : public TunerKind {
 public:
  explicit ForestKind(ForestAcquisition acquisition) : acquisition_(acquisition) {}

  std::string help() const override {
    const char* by =
        acquisition_ == ForestAcquisition::kExpectedImprovement ? "expected improvement"
        : acquisition_ == ForestAcquisition::kConfidenceBound   ? "an upper confidence bound"
                                                                : "probability of improvement";
    return std::string("random regression forest, as SMAC, by ") + by;
  }

  std::unique_ptr<Tuner> Make(const ObjectSpec& options, const Space& space,
                              std::uint64_t seed) const override {
    ForestTunerOptions read;
    std::vector<std::string> keys = {"startup", "candidates", "random", "trees"};
    keys.emplace_back(acquisition_ == ForestAcquisition::kConfidenceBound ? "beta" : "xi");
    options.AllowOnly(keys);
    read.acquisition = acquisition_;
    read.startup = IntegerWithin(options, "startup", read.startup, 1, 1'000'000);
    read.candidates = IntegerWithin(options, "candidates", read.candidates, 1, 1'000'000);
    read.random = NumberWithin(options, "random", read.random, 0, 1);
    // Without an improvement to ask for, the probability is highest next to the best trial.
    if (acquisition_ == ForestAcquisition::kProbability) read.xi = 0.2;
    read.xi = NumberWithin(options, "xi", read.xi, 0, 1e6);
    read.beta = NumberWithin(options, "beta", read.beta, 0, 1e6);
    read.forest.trees =
        static_cast<int>(IntegerWithin(options, "trees", read.forest.trees, 1, 10'000));
    return std::make_unique<ForestTuner>(space, seed, read);
  }

 private:
  ForestAcquisition acquisition_;
};

}  // namespace

void RegisterForestTuners(Registry& registry) {
  registry.Add<TunerKind>("forest-ei",
                          std::make_shared<ForestKind>(ForestAcquisition::kExpectedImprovement));
  registry.Add<TunerKind>("forest-lcb",
                          std::make_shared<ForestKind>(ForestAcquisition::kConfidenceBound));
  registry.Add<TunerKind>("forest-pi",
                          std::make_shared<ForestKind>(ForestAcquisition::kProbability));
}

}  // namespace windlass::tune
