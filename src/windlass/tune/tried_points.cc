#include "windlass/tune/tried_points.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace windlass::tune {
namespace {

constexpr std::uint64_t kMany = std::uint64_t{1} << 62;

std::uint64_t Times(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) || product > kMany ? kMany : product;
}

}  // namespace

Lattice::Lattice(const Space& space, int levels)
    : space_(space), levels_(levels), nodes_(static_cast<std::size_t>(space.size())) {
  // Children have later indices, so that they are counted before their parents.
  for (int i = space.size() - 1; i >= 0; --i) {
    const Parameter& parameter = space[i];
    Node& node = nodes_[static_cast<std::size_t>(i)];
    const auto values = static_cast<std::uint64_t>(parameter.size());
    // A float without levels makes everything above it too many.
    node.values = parameter.kind != ParameterKind::kFloat ? values
                  : levels > 0                            ? static_cast<std::uint64_t>(levels)
                                                          : kMany;
    std::ranges::sort(node.children);
    for (const int child : node.children) {
      for (const double value : space[child].when) {
        const auto [one, fresh] = node.special.try_emplace(IndexOf(i, value), 1);
        one->second = Times(one->second, nodes_[static_cast<std::size_t>(child)].size);
      }
    }
    node.size = node.values - node.special.size();
    for (const auto& [value, count] : node.special) node.size = std::min(kMany, node.size + count);
    if (parameter.parent >= 0) {
      nodes_[static_cast<std::size_t>(parameter.parent)].children.push_back(i);
    } else {
      roots_.insert(roots_.begin(), i);
    }
  }
  std::uint64_t size = 1;
  for (const int root : roots_) size = Times(size, nodes_[static_cast<std::size_t>(root)].size);
  if (size < kMany) size_ = size;
}

bool Lattice::Has(const Node& node, int child, std::uint64_t value) const {
  if (!node.special.contains(value)) return false;
  const Parameter& parameter = space_[child];
  return std::ranges::any_of(parameter.when,
                             [&](double one) { return IndexOf(parameter.parent, one) == value; });
}

double Lattice::ValueOf(int parameter, std::uint64_t value) const {
  const Parameter& one = space_[parameter];
  if (one.kind == ParameterKind::kFloat) {
    return one.FromUnit(levels_ == 1 ? 0.5 : static_cast<double>(value) / (levels_ - 1));
  }
  return static_cast<double>(value) + (one.kind == ParameterKind::kInteger ? one.low : 0);
}

std::uint64_t Lattice::IndexOf(int parameter, double value) const {
  const Parameter& one = space_[parameter];
  return static_cast<std::uint64_t>(value - (one.kind == ParameterKind::kInteger ? one.low : 0));
}

Point Lattice::At(std::uint64_t index) const {
  Point point(nodes_.size(), std::numeric_limits<double>::quiet_NaN());
  Fill(roots_, index, point);
  return point;
}

void Lattice::Fill(const std::vector<int>& parameters, std::uint64_t index, Point& point) const {
  for (const int i : parameters) {
    const Node& node = nodes_[static_cast<std::size_t>(i)];
    std::uint64_t rest = index % node.size;
    index /= node.size;
    // Values in order, each with as many points as it has.
    std::uint64_t value = 0;
    for (const auto& [special, count] : node.special) {
      if (rest < special - value) break;
      rest -= special - value;
      value = special;
      if (rest < count) break;
      rest -= count;
      ++value;
    }
    std::vector<int> children;
    for (const int child : node.children) {
      if (Has(node, child, value)) children.push_back(child);
    }
    if (children.empty()) value += rest;  // one of the plain values from here on
    point[static_cast<std::size_t>(i)] = ValueOf(i, value);
    Fill(children, rest, point);
  }
}

TriedPoints::Key TriedPoints::KeyOf(const Point& point) {
  Key key;
  key.reserve(point.size());
  for (const double value : point) {
    // One pattern for each number: 0 has two, and what does not count many.
    key.push_back(std::isnan(value) ? ~std::uint64_t{0}
                                    : std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value));
  }
  return key;
}

std::optional<Point> TriedPoints::Untried(Random& random) const {
  if (!lattice_.size() || exhausted()) return std::nullopt;
  // One of the next as many as were tried is new.
  std::uint64_t index = random.Below(*lattice_.size());
  while (true) {
    Point point = lattice_.At(index);
    if (!Has(point)) return point;
    index = index + 1 == *lattice_.size() ? 0 : index + 1;
  }
}

}  // namespace windlass::tune
