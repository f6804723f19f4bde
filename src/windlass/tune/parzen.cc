#include "windlass/tune/parzen.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "windlass/tune/cell.h"
#include "windlass/tune/normal_lanes_internal.h"

namespace windlass::tune {
namespace {

// Of a fixed width, so that sums have one order everywhere.
using Lanes = hn::CappedTag<double, 4>;
constexpr std::size_t kLanes = 4;

// Of a kernel that is none: padding.
constexpr double kNowhere = -1e300;

double Middle(const Parameter& parameter, std::int64_t index) {
  return parameter.ToUnit(static_cast<double>(index) + (parameter.numeric() ? parameter.low : 0));
}

std::size_t IndexOf(const ParzenAxis& axis, double coordinate) {
  // The nearest middle: coordinates of discrete values are exact, but need not be found equal.
  const auto above = std::ranges::lower_bound(axis.middles, coordinate);
  if (above == axis.middles.begin()) return 0;
  if (above == axis.middles.end()) return axis.middles.size() - 1;
  const bool below = coordinate - *(above - 1) < *above - coordinate;
  return static_cast<std::size_t>(above - axis.middles.begin()) - (below ? 1 : 0);
}

}  // namespace

ParzenAxis::ParzenAxis(const Parameter& parameter, int at)
    : coordinate(at), ordered(parameter.ordered()) {
  const std::int64_t size = parameter.size();
  if (size == 0 || (parameter.numeric() && size > kTable)) return;
  for (std::int64_t i = 0; i < size; ++i) {
    middles.push_back(Middle(parameter, i));
    const Cell cell = CellOf(parameter, middles.back());
    widths.push_back(cell.high - cell.low);
  }
}

Parzen::Parzen(const std::vector<ParzenAxis>& axes, std::span<const double* const> points,
               std::span<const double> weights, const ParzenOptions& options)
    : axes_(axes),
      options_(options),
      size_(points.size()),
      padded_((points.size() + kLanes - 1) / kLanes * kLanes) {
  double total = 0;
  for (const double weight : weights) total += weight;
  // The prior weighs as much as a kernel does in the mean.
  const double prior = size_ == 0 ? 1 : total / static_cast<double>(size_);
  total += prior;
  prior_ = Log(prior / total);
  constants_.assign(padded_, kNowhere);
  double sum = 0;
  for (std::size_t j = 0; j < size_; ++j) {
    sum += weights[j] / total;
    cumulative_.push_back(sum);
    constants_[j] = weights[j] / total;
  }
  // Products of weights and normalisations first, then one logarithm each.
  std::vector<double> values(padded_, 0.5);
  for (const ParzenAxis& axis : axes) {
    for (std::size_t j = 0; j < size_; ++j) {
      values[j] = points[j][static_cast<std::size_t>(axis.coordinate)];
    }
    const double deviation = Bandwidth({values.data(), size_}, axis);
    if (axis.middles.empty()) {
      AddLine(values, deviation);
    } else {
      AddTable(axis, values, deviation);
    }
  }
  const Lanes d;
  for (std::size_t j = 0; j < padded_; j += kLanes) {
    hn::StoreU(vector_math::Log(d, hn::LoadU(d, &constants_[j])), d, &constants_[j]);
  }
  for (std::size_t j = size_; j < padded_; ++j) constants_[j] = kNowhere;
  logs_.resize(padded_);
}

double Parzen::Bandwidth(std::span<const double> values, const ParzenAxis& axis) const {
  const auto n = static_cast<double>(std::max<std::size_t>(values.size(), 1));
  double mean = 0, squares = 0;
  for (const double value : values) mean += value / n;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double deviation = std::sqrt(squares / std::max(1.0, n - 1));
  const double scott = Exp(-Log(n) / (static_cast<double>(axes_.size()) + 4));
  double least = options_.least;
  if (!axis.middles.empty())
    least = std::max(least, 0.4 / static_cast<double>(axis.middles.size()));
  return std::clamp(options_.bandwidth * deviation * scott, least, 1.0);
}

void Parzen::AddLine(std::span<const double> values, double deviation) {
  const Lanes d;
  const auto inverse = hn::Set(d, 1 / deviation);
  const auto scale = hn::Set(d, 1 / (deviation * std::sqrt(2 * std::numbers::pi)));
  for (std::size_t j = 0; j < padded_; j += kLanes) {
    const auto centre = hn::LoadU(d, &values[j]);
    const auto inside = hn::Sub(NormalCdf(d, hn::Mul(hn::Sub(hn::Set(d, 1.0), centre), inverse)),
                                NormalCdf(d, hn::Mul(hn::Neg(centre), inverse)));
    const auto constant = hn::LoadU(d, &constants_[j]);
    hn::StoreU(hn::Div(hn::Mul(constant, scale), inside), d, &constants_[j]);
  }
  columns_.push_back({deviation, {values.begin(), values.end()}, {}, {}});
}

void Parzen::AddTable(const ParzenAxis& axis, std::span<const double> values, double deviation) {
  Column column;
  column.deviation = deviation;
  for (const double value : values) {
    column.indices.push_back(static_cast<std::int64_t>(IndexOf(axis, value)));
  }
  const std::size_t size = axis.middles.size();
  column.kernels.resize(size * size);
  for (std::size_t centre = 0; centre < size; ++centre) {
    std::vector<double> masses;
    double total = 0;
    for (std::size_t value = 0; value < size; ++value) {
      if (axis.ordered) {
        const double z = (axis.middles[value] - axis.middles[centre]) / deviation;
        masses.push_back(axis.widths[value] * Exp(-0.5 * z * z));
      } else {
        const double other = options_.smoothing / (static_cast<double>(size_) + 1);
        masses.push_back(other + (value == centre ? 1 : 0));
      }
      total += masses.back();
    }
    for (std::size_t value = 0; value < size; ++value) {
      column.kernels[value * size + centre] = std::max(-700.0, Log(masses[value] / total));
    }
  }
  columns_.push_back(std::move(column));
}

void Parzen::Sample(Random& random, std::span<double> coordinates) const {
  const double u = random.Uniform();
  const auto kernel =
      static_cast<std::size_t>(std::ranges::upper_bound(cumulative_, u) - cumulative_.begin());
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    const ParzenAxis& axis = axes_[i];
    const Column& column = columns_[i];
    double& coordinate = coordinates[i];
    coordinate = random.Uniform();
    if (axis.middles.empty()) {
      if (kernel == size_) continue;
      // A centre lies within, so that about every second draw does at the worst.
      do {
        coordinate = column.values[kernel] + column.deviation * RandomNormal(random);
      } while (!(coordinate >= 0 && coordinate <= 1));
      continue;
    }
    const std::size_t size = axis.middles.size();
    std::size_t value = 0;
    for (double left = coordinate; value + 1 < size; ++value) {
      left -=
          kernel == size_
              ? axis.widths[value]
              : Exp(column
                        .kernels[value * size + static_cast<std::size_t>(column.indices[kernel])]);
      if (left < 0) break;
    }
    coordinate = axis.middles[value];
  }
}

double Parzen::LogDensity(std::span<const double> coordinates) const {
  const Lanes d;
  const hn::RebindToSigned<Lanes> di;
  double prior = prior_;
  std::copy(constants_.begin(), constants_.end(), logs_.begin());
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    const Column& column = columns_[i];
    if (axes_[i].middles.empty()) {
      // -((x - centre) / deviation)^2 / 2
      const auto x = hn::Set(d, coordinates[i]);
      const auto scale = hn::Set(d, std::numbers::sqrt2 / 2 / column.deviation);
      for (std::size_t j = 0; j < padded_; j += kLanes) {
        const auto z = hn::Mul(hn::Sub(x, hn::LoadU(d, &column.values[j])), scale);
        hn::StoreU(hn::NegMulAdd(z, z, hn::LoadU(d, &logs_[j])), d, &logs_[j]);
      }
      continue;
    }
    const std::size_t value = IndexOf(axes_[i], coordinates[i]);
    prior += Log(axes_[i].widths[value]);
    const double* kernels = &column.kernels[value * axes_[i].middles.size()];
    for (std::size_t j = 0; j < padded_; j += kLanes) {
      const auto one = hn::GatherIndex(d, kernels, hn::LoadU(di, &column.indices[j]));
      hn::StoreU(hn::Add(one, hn::LoadU(d, &logs_[j])), d, &logs_[j]);
    }
  }
  auto most = hn::Set(d, prior);
  for (std::size_t j = 0; j < padded_; j += kLanes) most = hn::Max(most, hn::LoadU(d, &logs_[j]));
  const double largest = hn::GetLane(hn::MaxOfLanes(d, most));
  auto sum = hn::Zero(d);
  for (std::size_t j = 0; j < padded_; j += kLanes) {
    const auto below = hn::Sub(hn::LoadU(d, &logs_[j]), hn::Set(d, largest));
    sum = hn::Add(sum, vector_math::Exp(d, below));
  }
  double lanes[kLanes];
  hn::StoreU(sum, d, lanes);
  const double total = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + Exp(prior - largest);
  return largest + Log(total);
}

}  // namespace windlass::tune
