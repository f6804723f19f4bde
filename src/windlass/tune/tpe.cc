#include "windlass/tune/tpe.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "windlass/base/vector_math.h"
#include "windlass/tune/parzen.h"
#include "windlass/tune/sobol_sequence.h"
#include "windlass/tune/tried_points.h"
#include "windlass/tune/tuner_options_internal.h"

namespace windlass::tune {
namespace {

struct TpeOptions {
  std::int64_t startup = 10;     // trials of a scrambled Sobol' sequence
  std::int64_t candidates = 24;  // drawn for each trial
  double gamma = 0.15;           // which part of the trials is good
  double bandwidth = 0.5;        // of the kernels, times Scott's rule
};

// How often each category counts as seen beside what was: with less the first good category keeps
// the others from ever being tried at parameters that suit them.
constexpr double kSmoothing = 4;

// Parameters that count at the same points: those under one condition.
struct Group {
  int first = 0;  // it counts where this parameter does
  int depth = 0;  // of its condition
  std::vector<ParzenAxis> axes;
  std::vector<std::size_t> order;  // trials that have it, the best first
};

std::vector<Group> GroupsOf(const Space& space) {
  std::vector<Group> groups;
  std::vector<int> depths(static_cast<std::size_t>(space.size()), 0);
  for (int i = 0; i < space.size(); ++i) {
    const int parent = space[i].parent;
    if (parent >= 0) {
      depths[static_cast<std::size_t>(i)] = depths[static_cast<std::size_t>(parent)] + 1;
    }
  }
  int coordinate = 0;
  for (const int i : space.varied()) {
    auto group = std::ranges::find_if(groups, [&](const Group& one) {
      return space[one.first].parent == space[i].parent && space[one.first].when == space[i].when;
    });
    if (group == groups.end()) {
      groups.push_back({i, depths[static_cast<std::size_t>(i)], {}, {}});
      group = groups.end() - 1;
    }
    group->axes.emplace_back(space[i], coordinate++);
  }
  std::ranges::stable_sort(groups, {}, &Group::depth);
  return groups;
}

// Kernels narrow as trials come in, whatever Scott's rule says of the few good ones ("magic
// clipping" of Watanabe 2023, 3.3.4): otherwise the first good ones that lie close together hold
// the search where they are.
double LeastDeviation(std::size_t trials) {
  return std::max(0.001, Exp(-0.75 * Log(static_cast<double>(trials) + 1)));
}

class Tpe final : public Tuner {
 public:
  Tpe(const Space& space, std::uint64_t seed, const TpeOptions& options)
      : space_(space),
        seed_(seed),
        options_(options),
        groups_(GroupsOf(space_)),
        start_(static_cast<int>(space.varied().size()), seed) {}

  std::vector<Suggestion> Suggest(int count) override {
    return trials_.Suggest(count, [this] { return Next(); });
  }

  void Observe(const Observation& seen) override {
    trials_.End(seen.trial, seen.point);
    const std::size_t trial = seen_.size();
    seen_.push_back({space_.ToUnit(seen.point), seen.score});
    // Failed ones are worse than all others; among equals the earlier one comes first.
    const auto better = [&](std::size_t a, std::size_t b) {
      const std::optional<double>&x = seen_[a].score, &y = seen_[b].score;
      return x && (!y || *x > *y);
    };
    for (Group& group : groups_) {
      if (std::isnan(seen.point[static_cast<std::size_t>(group.first)])) continue;
      group.order.insert(std::ranges::upper_bound(group.order, trial, better), trial);
    }
  }

 private:
  struct Seen {
    std::vector<double> coordinates;
    std::optional<double> score;
  };

  Point Next() {
    const auto trial = static_cast<std::uint64_t>(trials_.next());
    if (std::ssize(seen_) < options_.startup) {
      Point point = space_.FromUnit(start_.At(trial));
      if (!trials_.tried().Has(point)) return point;
    }
    Point point;
    constexpr std::uint64_t kAttempts = 4;
    for (std::uint64_t attempt = 0; attempt < kAttempts; ++attempt) {
      Random random(seed_, trial * kAttempts + attempt);
      point = Draw(random);
      if (!trials_.tried().Has(point)) return point;
    }
    Random random(seed_, std::uint64_t{1} << 62 | trial);
    return trials_.tried().Untried(random).value_or(point);
  }

  Point Draw(Random& random) {
    std::vector<double> coordinates(space_.varied().size(), 0.5);
    Point point = space_.FromUnit(coordinates);
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      if (!space_.Active(groups_[i].first, point)) continue;
      point = Extend(i, random, coordinates);
    }
    return point;
  }

  // Sets a group's coordinates to the best of its candidates; where they complete the point, to
  // the best that was not tried.
  Point Extend(std::size_t index, Random& random, std::vector<double>& coordinates) {
    const Group& group = groups_[index];
    const std::size_t axes = group.axes.size();
    const auto [good, rest] = Split(group);
    const auto count = static_cast<std::size_t>(options_.candidates);
    std::vector<double> candidates(count * axes);
    std::vector<std::pair<double, std::size_t>> ratios;
    for (std::size_t i = 0; i < count; ++i) {
      const std::span<double> one(&candidates[i * axes], axes);
      good.Sample(random, one);
      ratios.emplace_back(rest.LogDensity(one) - good.LogDensity(one), i);
    }
    std::ranges::sort(ratios);
    const auto take = [&](std::size_t candidate) {
      for (std::size_t i = 0; i < axes; ++i) {
        coordinates[static_cast<std::size_t>(group.axes[i].coordinate)] =
            candidates[candidate * axes + i];
      }
      return space_.FromUnit(coordinates);
    };
    for (const auto& [ratio, candidate] : ratios) {
      Point point = take(candidate);
      const bool complete =
          std::none_of(groups_.begin() + static_cast<std::ptrdiff_t>(index) + 1, groups_.end(),
                       [&](const Group& later) { return space_.Active(later.first, point); });
      if (!complete || !trials_.tried().Has(point)) return point;
    }
    return take(ratios.front().second);
  }

  // Densities of the good trials, which weigh 1, 1/2, 1/3, ... from the best one on, and of all
  // others with those under way, which are taken for bad ones ("constant liar").
  std::pair<Parzen, Parzen> Split(const Group& group) const {
    const std::size_t n = group.order.size();
    const auto part = static_cast<std::size_t>(std::ceil(options_.gamma * static_cast<double>(n)));
    const std::size_t good = std::min(n, part);
    std::vector<const double*> points;
    for (const std::size_t trial : group.order) points.push_back(seen_[trial].coordinates.data());
    std::vector<std::vector<double>> waiting;
    for (const auto& [trial, point] : trials_.under_way()) {
      if (std::isnan(point[static_cast<std::size_t>(group.first)])) continue;
      waiting.push_back(space_.ToUnit(point));
    }
    for (const std::vector<double>& one : waiting) points.push_back(one.data());
    std::vector<double> weights;
    for (std::size_t i = 0; i < good; ++i) weights.push_back(1 / static_cast<double>(i + 1));
    const std::span all(points);
    const ParzenOptions parzen{options_.bandwidth, LeastDeviation(n), kSmoothing};
    Parzen l(group.axes, all.first(good), weights, parzen);
    weights.assign(points.size() - good, 1);
    return {std::move(l), Parzen(group.axes, all.subspan(good), weights, parzen)};
  }

  const Space space_;
  const std::uint64_t seed_;
  const TpeOptions options_;
  std::vector<Group> groups_;
  const SobolSequence start_;
  Trials trials_{space_};
  std::vector<Seen> seen_;
};

class TpeKind final : public TunerKind {
 public:
  std::string help() const override {
    return "tree-structured Parzen estimator, multivariate within each condition";
  }

  std::unique_ptr<Tuner> Make(const ObjectSpec& options, const Space& space,
                              std::uint64_t seed) const override {
    options.AllowOnly({"startup", "candidates", "gamma", "bandwidth"});
    TpeOptions read;
    read.startup = IntegerWithin(options, "startup", read.startup, 1, 1'000'000);
    read.candidates = IntegerWithin(options, "candidates", read.candidates, 1, 10'000);
    read.gamma = NumberWithin(options, "gamma", read.gamma, 0.001, 0.999);
    read.bandwidth = NumberWithin(options, "bandwidth", read.bandwidth, 0, 100);
    return std::make_unique<Tpe>(space, seed, read);
  }
};

}  // namespace

void RegisterTpe(Registry& registry) {
  registry.Add<TunerKind>("tpe", std::make_shared<TpeKind>());
}

}  // namespace windlass::tune
