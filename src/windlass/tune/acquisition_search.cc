#include "windlass/tune/acquisition_search.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "windlass/tune/minimize.h"
#include "windlass/tune/normal.h"

namespace windlass::tune {
namespace {

constexpr int kRandomCandidates = 96;
constexpr int kLocalCandidates = 96;
constexpr int kMostStarts = 4;
constexpr int kClimbEvaluations = 20;  // of a start's way up
constexpr int kRounds = 12;            // of neighbours
constexpr int kExact = 12;             // how many are looked at again under the whole process
constexpr int kBatch = 48;             // points evaluated at once

struct Candidate {
  std::vector<double> coordinates;  // canonical
  double value = 0;
};

// The larger value first, and of equal ones the smaller coordinates, so that an order is total.
bool Before(const Candidate& a, const Candidate& b) {
  return a.value != b.value ? a.value > b.value : a.coordinates < b.coordinates;
}

class Search {
 public:
  Search(const SearchTask& task, Random random)
      : task_(task), random_(random), dimensions_(static_cast<int>(task.space->varied().size())) {}

  std::vector<double> Run() {
    AddCandidates();
    if (pool_.empty()) return {};
    Evaluate(pool_, *task_.variance);
    std::ranges::sort(pool_, Before);
    for (const Candidate& start : Starts()) {
      Candidate found = Climb(start);
      Walk(found);
      if (!task_.taken(found.coordinates)) pool_.push_back(std::move(found));
    }
    std::ranges::sort(pool_, Before);
    if (task_.variance != task_.process) {
      const auto same = [](const Candidate& a, const Candidate& b) {
        return a.coordinates == b.coordinates;
      };
      pool_.erase(std::ranges::unique(pool_, same).begin(), pool_.end());
      pool_.resize(std::min<std::size_t>(pool_.size(), kExact));
      Evaluate(pool_, *task_.process);
      std::ranges::sort(pool_, Before);
    }
    return pool_.front().coordinates;
  }

 private:
  const Parameter& ParameterOf(int coordinate) const {
    return (*task_.space)[task_.space->varied()[static_cast<std::size_t>(coordinate)]];
  }

  double Normal() { return NormalQuantile(random_.Uniform() + 0x1p-54); }

  void Add(const std::vector<double>& coordinates) {
    std::vector<double> canonical = Canonical(*task_.space, coordinates);
    if (!task_.taken(canonical)) pool_.push_back({std::move(canonical), 0});
  }

  void AddCandidates() {
    std::vector<double> shift(static_cast<std::size_t>(dimensions_));
    for (double& value : shift) value = random_.Uniform();
    for (int i = 0; i < kRandomCandidates; ++i) {
      Add(QuasiRandomPoint(static_cast<std::uint64_t>(i), shift));
    }
    if (task_.starts.empty()) return;
    // The better the start, the more candidates; each at the next of some scales.
    constexpr double kScales[] = {0.3, 0.1, 0.03, 0.01, 0.003};
    for (int i = 0; i < kLocalCandidates; ++i) {
      const std::size_t start =
          i % 2 == 0 ? 0 : static_cast<std::size_t>(i / 2) % task_.starts.size();
      Add(Moved(task_.starts[start], kScales[(i / 2) % 5]));
    }
  }

  // A start with some coordinates moved: at least one, about three at most of many.
  std::vector<double> Moved(std::vector<double> coordinates, double scale) {
    const auto forced = static_cast<int>(random_.Below(static_cast<std::uint64_t>(dimensions_)));
    const double share = dimensions_ <= 3 ? 0.8 : std::max(0.3, 3.0 / dimensions_);
    for (int c = 0; c < dimensions_; ++c) {
      const bool moves = random_.Uniform() < share || c == forced;
      if (!moves) continue;
      double& value = coordinates[static_cast<std::size_t>(c)];
      const Parameter& parameter = ParameterOf(c);
      if (!parameter.ordered()) {
        if (c == forced || random_.Uniform() < 0.3) value = random_.Uniform();
        continue;
      }
      double step = scale * Normal();
      if (parameter.size() > 0) {
        const double cell = 1.0 / static_cast<double>(parameter.size());
        if (std::abs(step) < cell) step = step < 0 ? -cell : cell;
      }
      // Reflected at the ends, so that these do not collect what falls outside.
      value += step;
      if (value < 0) value = -value;
      if (value > 1) value = 2 - value;
      value = std::clamp(value, 0.0, 1.0);
    }
    return coordinates;
  }

  void Evaluate(std::span<Candidate> candidates, const GaussianProcess& variance) const {
    const int features = task_.features->groups().features();
    for (std::size_t first = 0; first < candidates.size(); first += kBatch) {
      const auto batch =
          candidates.subspan(first, std::min<std::size_t>(kBatch, candidates.size() - first));
      const int count = static_cast<int>(batch.size());
      std::vector<double> points(batch.size() * static_cast<std::size_t>(features));
      for (std::size_t i = 0; i < batch.size(); ++i) {
        task_.features->Encode(batch[i].coordinates,
                               std::span(points).subspan(i * static_cast<std::size_t>(features)));
      }
      std::vector<double> means(batch.size()), variances(batch.size());
      task_.process->Means(points, count, means);
      if (task_.acquisition.kind != AcquisitionKind::kMean) {
        variance.Variances(points, count, variances);
      }
      for (std::size_t i = 0; i < batch.size(); ++i) {
        batch[i].value = task_.acquisition.At(means[i], std::sqrt(variances[i])).value;
      }
    }
  }

  // The best candidates, no two of them close.
  std::vector<Candidate> Starts() const {
    std::vector<Candidate> starts;
    for (const Candidate& candidate : pool_) {
      if (static_cast<int>(starts.size()) == kMostStarts) break;
      const bool close = std::ranges::any_of(starts, [&](const Candidate& other) {
        double most = 0;
        for (std::size_t c = 0; c < other.coordinates.size(); ++c) {
          most = std::max(most, std::abs(other.coordinates[c] - candidate.coordinates[c]));
        }
        return most < 0.05;
      });
      if (!close) starts.push_back(candidate);
    }
    return starts;
  }

  // Up the gradient in the coordinates that features follow smoothly, integers taken as if they
  // were not; the end is rounded. The better of start and end.
  Candidate Climb(const Candidate& start) const {
    std::vector<int> free;
    const Point point = task_.space->FromUnit(start.coordinates);
    for (int c = 0; c < dimensions_; ++c) {
      const int index = task_.space->varied()[static_cast<std::size_t>(c)];
      const std::int64_t size = (*task_.space)[index].size();
      if (task_.features->FeatureOf(c) >= 0 && (size == 0 || size > 8) &&
          !std::isnan(point[static_cast<std::size_t>(index)])) {
        free.push_back(c);
      }
    }
    if (free.empty()) return start;
    const auto features = static_cast<std::size_t>(task_.features->groups().features());
    std::vector<double> encoded(features), slopes(features), x;
    std::vector<double> coordinates = start.coordinates;
    for (const int c : free) x.push_back(coordinates[static_cast<std::size_t>(c)]);
    const Box box{std::vector<double>(free.size(), 0.0), std::vector<double>(free.size(), 1.0)};
    const bool mean_only = task_.acquisition.kind == AcquisitionKind::kMean;
    Minimize(
        [&](std::span<const double> at, std::span<double> gradient) {
          for (std::size_t i = 0; i < free.size(); ++i) {
            coordinates[static_cast<std::size_t>(free[i])] = at[i];
          }
          task_.features->Encode(coordinates, encoded);
          std::ranges::fill(slopes, 0.0);
          const double variance = mean_only ? 0 : task_.variance->Variance(encoded, slopes);
          const double deviation = std::max(std::sqrt(variance), 1e-12);
          const Acquisition::Value value =
              task_.acquisition.At(task_.process->Mean(encoded), deviation);
          for (double& slope : slopes) slope *= value.deviation_slope / (2 * deviation);
          task_.process->AddMeanSlopes(encoded, value.mean_slope, slopes);
          for (std::size_t i = 0; i < free.size(); ++i) {
            const auto feature = static_cast<std::size_t>(task_.features->FeatureOf(free[i]));
            gradient[i] = -slopes[feature];
          }
          return -value.value;
        },
        box, kClimbEvaluations, x);
    for (std::size_t i = 0; i < free.size(); ++i) {
      coordinates[static_cast<std::size_t>(free[i])] = x[i];
    }
    Candidate end{Canonical(*task_.space, coordinates), 0};
    Evaluate({&end, 1}, *task_.variance);
    return Before(end, start) && !task_.taken(end.coordinates) ? end : start;
  }

  // To the best neighbour along one discrete coordinate, as long as there is a better one.
  void Walk(Candidate& candidate) {
    for (int round = 0; round < kRounds; ++round) {
      std::vector<Candidate> neighbours;
      const auto add = [&](int c, double value) {
        std::vector<double> moved = candidate.coordinates;
        moved[static_cast<std::size_t>(c)] = value;
        moved = Canonical(*task_.space, moved);
        if (moved != candidate.coordinates && !task_.taken(moved)) {
          neighbours.push_back({std::move(moved), 0});
        }
      };
      for (int c = 0; c < dimensions_; ++c) {
        const Parameter& parameter = ParameterOf(c);
        const std::int64_t size = parameter.size();
        if (size == 0) continue;
        const double value = parameter.FromUnit(candidate.coordinates[static_cast<std::size_t>(c)]);
        const double low = parameter.numeric() ? parameter.low : 0;
        const double high = low + static_cast<double>(size - 1);
        if (parameter.ordered()) {
          for (const double step : {1.0, 2.0, 4.0}) {
            if (value - step >= low) add(c, parameter.ToUnit(value - step));
            if (value + step <= high) add(c, parameter.ToUnit(value + step));
          }
        } else {
          for (int i = 0; i < std::min<std::int64_t>(size, 8); ++i) {
            const std::int64_t choice =
                size <= 8
                    ? i
                    : static_cast<std::int64_t>(random_.Below(static_cast<std::uint64_t>(size)));
            add(c, parameter.ToUnit(static_cast<double>(choice)));
          }
        }
      }
      if (neighbours.empty()) return;
      Evaluate(neighbours, *task_.variance);
      const auto best = std::ranges::min_element(neighbours, Before);
      if (!(best->value > candidate.value)) return;
      candidate = std::move(*best);
    }
  }

  const SearchTask& task_;
  Random random_;
  const int dimensions_;
  std::vector<Candidate> pool_;
};

}  // namespace

std::vector<double> SearchAcquisition(const SearchTask& task, Random random) {
  return Search(task, random).Run();
}

std::vector<double> QuasiRandomPoint(std::uint64_t index, std::span<const double> shift) {
  // The root of g^(dimensions + 1) = g + 1; multiples of its negative powers fill the cube.
  const auto dimensions = static_cast<int>(shift.size());
  double root = 1.5;
  for (int i = 0; i < 60; ++i) {
    double power = 1;
    for (int k = 0; k < dimensions; ++k) power *= root;
    root -= (power * root - root - 1) / ((dimensions + 1) * power - 1);
  }
  std::vector<double> point(shift.begin(), shift.end());
  double step = 1;
  for (double& value : point) {
    step /= root;
    value += step * static_cast<double>(index);
    value -= std::floor(value);
  }
  return point;
}

}  // namespace windlass::tune
