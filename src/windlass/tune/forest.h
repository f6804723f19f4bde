// Random regression forests with the uncertainty of Hutter et al. (2011, 2014).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "windlass/base/random.h"

namespace windlass::tune {

struct ForestOptions {
  int trees = 10;
  double features = 0.5;  // which part of them a split may choose from
  int least_split = 3;    // rows of a node that may be split
};

// Trees on bootstrap samples, split where the squared error falls most. A split of numbers lies at
// random between the two values that it parts (Hutter et al. 2014, section 4.3.2), so that the
// trees' spread grows between rows; one of categories parts them in the order of their means
// (Breiman et al. 1984, theorem 4.5).
class RegressionForest {
 public:
  // By feature how many categories it has, 0..count-1 as values (at most 64, else it is taken for
  // a number); 0: a number.
  RegressionForest(std::vector<int> categories, const ForestOptions& options);

  // `rows`: [n] of as many values as there are features; `targets`: [n], finite; n > 0.
  void Fit(std::span<const double* const> rows, std::span<const double> targets, Random& random);

  struct Prediction {
    double mean = 0;
    double variance = 0;  // by the law of total variance: of the trees' means and in their leaves
  };
  Prediction Predict(const double* row) const;

 private:
  struct Node {
    int feature = -1;                   // -1: a leaf
    double threshold = 0;               // of numbers: up to it to the left
    std::uint64_t left_categories = 0;  // of categories: a bit each
    std::uint32_t left = 0;             // the right one follows it
    double mean = 0;                    // of a leaf
    double variance = 0;
  };
  struct Split {
    double gain = -1;
    int feature = -1;
    double threshold = 0;
    std::uint64_t left_categories = 0;
  };
  // The sample of one tree: rows by feature in its order, and how often each was drawn.
  struct Sample {
    std::vector<std::vector<std::uint32_t>> order;
    std::vector<double> counts;
    std::vector<std::uint8_t> is_left;
    std::vector<std::uint32_t> right;
  };

  void Grow(std::uint32_t node, std::size_t begin, std::size_t end, Sample& sample, Random& random);
  void TryNumber(int feature, std::span<const std::uint32_t> rows, const Sample& sample,
                 Random& random, Split& best) const;
  void TryCategories(int feature, std::span<const std::uint32_t> rows, const Sample& sample,
                     Split& best) const;
  bool GoesLeft(const Split& split, std::uint32_t row) const;

  const std::vector<int> categories_;
  const ForestOptions options_;
  std::vector<std::vector<double>> columns_;  // by feature
  std::span<const double> targets_;           // while fitting
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> roots_;
};

}  // namespace windlass::tune
