// Means, their differences with intervals, and distances of distributions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace windlass::compare {

// Means and variances of several numbers over rows, in one pass (Welford 1962): no cancellation
// however large the mean is beside the spread, and the same bits however the rows were cut.
class Moments {
 public:
  explicit Moments(std::size_t width) : mean_(width), squares_(width) {}

  void Add(std::span<const double> row);  // [width]

  std::int64_t rows() const { return rows_; }
  double mean(std::size_t i) const { return mean_[i]; }
  double variance(std::size_t i) const;  // of a sample; not a number below two rows

 private:
  std::int64_t rows_ = 0;
  std::vector<double> mean_, squares_;
};

// A mean over rows.
struct Estimate {
  double mean = 0;
  double variance = 0;  // of the rows
  double rows = 0;
  // Half the width of the mean that the rows' own intervals leave (sampled attributions): the mean
  // of theirs. Rows share their coalitions, so that errors may all go one way.
  double own = 0;
};

// Half the width of the 95 % interval of the mean: Student's t, and `own` on top of it.
double HalfWidth(const Estimate& of);

struct Change {
  double a = 0;
  double b = 0;
  double change = 0;      // b - a
  double half_width = 0;  // of its 95 % interval; infinite with one row
  double p = 1;           // of no change at all; 1 with one row
};

// Two independent samples of n and m rows: the larger p and the wider interval of Welch's t test
// (1947) and Student's, whose error is that of all rows pooled. Welch's has no error of a small
// side whose rows happen to be alike (attributions that are 0 in most rows), Student's none of a
// small side that spreads out more. Nor is p below 2 / binomial(n + m, n), the permutation test's
// least (Fisher 1935); where all rows of each side are alike, the interval is that test's too: the
// change alone where it could be below 0.05, else infinite. Changes up to `rounding` are none.
Change Independent(const Estimate& a, const Estimate& b, double rounding);

// The same rows on both sides; `difference`: mean and variance of b - a over them. Student's t
// test; p is not below 2^(1 - rows), the least of the test that swaps sides of rows, and where all
// differences are alike the interval is that test's, as above.
Change Paired(const Estimate& a, const Estimate& b, const Estimate& difference, double rounding);

struct Distance {
  double ks = 0;           // Kolmogorov-Smirnov: the largest difference of distribution functions
  double critical = 0;     // what ks exceeds in 5 % of pairs of samples of one distribution
  double wasserstein = 0;  // the area between them: how far values moved, in their own unit
  double p = 1;            // of ks
};

// The distance of two samples, at least one value each. Values within `rounding` are equal. The
// test is that of Kolmogorov and Smirnov with Stephens' (1970) correction for small samples; on the
// safe side for ties and for pairs that are positively correlated; p is 1 below a joint sample size
// n m / (n + m) of 4.
Distance DistanceOf(std::vector<double> a, std::vector<double> b, double rounding);

// The chance that Kolmogorov's statistic exceeds `x`.
double KolmogorovTail(double x);

// p-values adjusted for their number (Holm 1979): those below 0.05 are all true with 95 %.
void AdjustHolm(std::span<double* const> p);

}  // namespace windlass::compare
