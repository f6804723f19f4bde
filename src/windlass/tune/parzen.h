// Kernel density estimates over some parameters of a space, in unit coordinates: the two models of
// a tree-structured Parzen estimator.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "windlass/base/random.h"
#include "windlass/tune/space.h"

namespace windlass::tune {

// One parameter of an estimate. Discrete ones of few values have their kernels in a table (each
// with mass 1 over the values); others are numbers on a line.
struct ParzenAxis {
  static constexpr std::int64_t kTable = 32;  // values at most

  ParzenAxis(const Parameter& parameter, int coordinate);

  int coordinate;               // where it stands among the space's unit coordinates
  bool ordered;                 // else a category
  std::vector<double> middles;  // of a table's values, ascending; empty of a line
  std::vector<double> widths;   // their parts of the unit interval
};

struct ParzenOptions {
  double bandwidth = 1;  // times Scott's rule
  double least = 0.01;   // a kernel's standard deviation, at least
  double smoothing = 1;  // how often each category is taken to have been seen besides
};

// A mixture of products of kernels, one at each observed point, and of a uniform density with the
// mean weight, the prior: Bergstra et al. (2011), multivariate as in Falkner et al. (2018, BOHB).
// A kernel on a line is normal and cut off at 0 and 1, with Scott's (1979) bandwidth for as many
// dimensions, std n^(-1/(d+4)); a category's is Aitchison and Aitken's (1976).
class Parzen {
 public:
  // `points`: unit coordinates of a whole space each, of which the axes take theirs; `weights`: as
  // many, positive.
  Parzen(const std::vector<ParzenAxis>& axes, std::span<const double* const> points,
         std::span<const double> weights, const ParzenOptions& options);

  // A draw: by axis the coordinate.
  void Sample(Random& random, std::span<double> coordinates) const;

  // The logarithm of the density (of tables: the mass) at coordinates by axis.
  double LogDensity(std::span<const double> coordinates) const;

 private:
  double Bandwidth(std::span<const double> values, const ParzenAxis& axis) const;
  void AddLine(std::span<const double> values, double deviation);
  void AddTable(const ParzenAxis& axis, std::span<const double> values, double deviation);

  struct Column {
    double deviation = 1;
    std::vector<double> values;         // [padded]: of a line its kernels' centres
    std::vector<std::int64_t> indices;  // [padded]: of a table the value of each kernel
    std::vector<double> kernels;        // [value][centre]: log mass
  };

  const std::vector<ParzenAxis>& axes_;
  const ParzenOptions options_;
  std::size_t size_;    // kernels
  std::size_t padded_;  // to whole vectors
  std::vector<Column> columns_;
  std::vector<double> cumulative_;  // weights up to each kernel; the prior has the rest up to 1
  std::vector<double> constants_;   // [padded]: the log of a kernel's weight and normalisation
  double prior_ = 0;                // its log weight
  mutable std::vector<double> logs_;
};

}  // namespace windlass::tune
