// Scores on a scale that a Gaussian process can follow.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace windlass::tune {

enum class ScaleKind : std::uint8_t {
  kLinear,
  kRoot,   // of the distance to the best: tells good scores apart under bad ones far off
  kLog,    // the same, more so
  kNormal  // normal scores: the quantile of the marginal's distribution function (a copula's)
};

// An increasing function of a score, made from the scores seen so far and fixed then. Values of
// those are standardised: mean 0, variance 1 (all 0 where all scores are equal).
class ScoreScale {
 public:
  // `scores` [n >= 1], finite.
  ScoreScale(ScaleKind kind, std::span<const double> scores);

  ScaleKind kind() const { return kind_; }

  double operator()(double score) const;

  // Sum over scores of ln of the function's slope: what makes likelihoods of scores on different
  // scales comparable (Snelson et al. 2004, eq. 5). Not for kNormal.
  double LogSlopes(std::span<const double> scores) const;

 private:
  double Raw(double score) const;
  void FitMarginal(std::span<const double> sorted);

  ScaleKind kind_;
  double best_ = 0;
  double unit_ = 1;  // of distances to the best
  double centre_ = 0;
  double factor_ = 1;
  double first_ = 0, step_ = 1;  // of kNormal: knots of the logarithm ...
  std::vector<double> normal_;   // ... and their normal scores
};

}  // namespace windlass::tune
