// Search spaces: which hyper-parameters there are, what values they take, and when they count.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "windlass/base/json.h"
#include "windlass/base/random.h"

namespace windlass::tune {

enum class ParameterKind { kFloat, kInteger, kCategorical, kBoolean, kOrdinal, kConstant };

struct Parameter {
  std::string name;
  ParameterKind kind = ParameterKind::kFloat;
  bool log = false;  // of numbers: the logarithm is what is spread evenly
  double low = 0;    // of numbers: both ends are in the range
  double high = 0;
  std::vector<Json> choices;      // of all others; of a boolean false and true, of a constant one
  std::optional<double> initial;  // its default, as in a Point; tuners must not depend on it
  int parent = -1;  // it counts only while this one (of an earlier index, itself active) ...
  std::vector<double> when;  // ... has one of these values, as in a Point, ascending

  bool numeric() const { return kind == ParameterKind::kFloat || kind == ParameterKind::kInteger; }
  // Whether its values have an order that means something.
  bool ordered() const { return numeric() || kind == ParameterKind::kOrdinal; }
  // How many values it has; 0 for a float.
  std::int64_t size() const;

  // Between a value as in a Point and its coordinate in the unit interval. A discrete value of n
  // has the middle of its n-th part (of integers on a log scale: parts as wide as they are there,
  // from low - 1/2 to high + 1/2), and every coordinate gives a value in the range: so there and
  // back is exact for all but floats, and for those within 2 ulp of the wider end.
  double ToUnit(double value) const;
  double FromUnit(double coordinate) const;
};

// Values of all parameters, in their order: a number is itself, any other value the index of its
// choice; NaN for one that does not count.
using Point = std::vector<double>;

class Space {
 public:
  // Reads {"lr": {"type": "float", "low": 1e-5, "high": 0.1, "log": true, "default": 0.01},
  // "depth": {"type": "integer", "low": 3, "high": 10}, "booster": {"type": "categorical",
  // "choices": ["gbtree", "dart"]}, "bias": {"type": "boolean"}, "size": {"type": "ordinal",
  // "choices": [16, 64, 256]}, "seed": {"type": "constant", "value": 1}, "drop": {"type": "float",
  // "low": 0, "high": 1, "when": {"booster": ["dart"]}}}. Parents come before their children, and
  // parameters else in the order of their names.
  //
  // `what` names the document. Throws Error{kInvalidInput} naming the parameter and the key: an
  // empty space, an unknown key (with the nearest known one) or type, low not below high, a log
  // scale that reaches 0, an end that is no finite number (of integers: no whole one within
  // 2^53), choices that are missing or stand twice, a default outside of the range, a parent that
  // is unknown, of floats, or its own ancestor, a value that the parent does not have.
  static Space Parse(const Json& document, std::string_view what = "space");

  // The same document, with every key that counts; Parse gives the same space again.
  Json ToJson() const;

  int size() const { return static_cast<int>(parameters_.size()); }
  const Parameter& operator[](int index) const {
    return parameters_[static_cast<std::size_t>(index)];
  }
  auto begin() const { return parameters_.begin(); }
  auto end() const { return parameters_.end(); }
  int Find(std::string_view name) const;  // -1: there is none

  // Parameters that have more than one value: what a tuner varies. Their indices, ascending.
  std::span<const int> varied() const { return varied_; }

  // Whether a parameter counts at a point whose earlier values are set.
  bool Active(int index, const Point& point) const;

  // Coordinates are those of `varied`, [varied().size()] within [0, 1]. Values of parameters that
  // do not count become NaN, and NaN becomes 1/2.
  Point FromUnit(std::span<const double> coordinates) const;
  std::vector<double> ToUnit(const Point& point) const;

  // Uniform over the coordinates.
  Point Sample(Random& random) const;

  // The point of all defaults (of a parameter without one its middle).
  Point Initial() const;

  // What a user gave or gets: {"lr": 0.01, "depth": 3}, of those that count.
  // FromJson throws Error{kInvalidInput} naming `what` and the parameter: unknown, missing though
  // it counts, given though it does not, of another type, outside of its range.
  Json ToJson(const Point& point) const;
  Point FromJson(const Json& values, std::string_view what) const;

  // Throws Error{kInternal} naming the parameter where a point is none of this space: what tuners
  // suggest is checked by it.
  void Check(const Point& point) const;

 private:
  std::vector<Parameter> parameters_;
  std::vector<int> varied_;
};

}  // namespace windlass::tune
