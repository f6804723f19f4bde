// One search of CMA-ES: a distribution over a space's unit coordinates, moved by ranked draws.
#pragma once

#include <vector>

#include "windlass/base/random.h"
#include "windlass/tune/space.h"

namespace windlass::tune {

class CmaSearch {
 public:
  // `start`: the mean, coordinates as of Space::ToUnit; `deviation`: the first standard deviation
  // in each; `population`: at least 2.
  CmaSearch(const Space& space, const std::vector<double>& start, double deviation, int population);

  int population() const { return population_; }

  // Coordinates of a draw, each within [0, 1].
  std::vector<double> Sample(Random& random) const;

  // A member of a generation; `own`: drawn from the distribution as it is now.
  struct Member {
    std::vector<double> coordinates;
    bool own = true;
  };

  // Moves the distribution; members with the best one first, at least 2.
  void Update(const std::vector<Member>& ranked);

  // Whether more draws would find nothing: steps of no length, or a distribution so flat that
  // numbers cannot hold it.
  bool Converged() const;

 private:
  using Vector = std::vector<double>;

  // One ordered parameter.
  struct Axis {
    int parameter;
    std::size_t coordinate;
    bool discrete;
  };
  // One category.
  struct Choice {
    std::size_t coordinate;
    Vector middles;
    Vector probabilities;
  };

  bool Draw(Random& random, Vector& coordinates) const;
  Vector StepTo(const Member& member) const;
  Vector Whitened(const Vector& step) const;
  void UpdateShape(const std::vector<Vector>& steps, const Vector& mean_step);
  void UpdateChoices(const std::vector<Member>& ranked);
  void KeepMargins(int members);
  void Decompose();

  // Of a generation of `members`, Hansen (2016), equations 49 to 58.
  void SetRates(int members);

  const Space& space_;  // must stay
  const int population_;
  std::vector<Axis> axes_;
  std::vector<Choice> choices_;
  std::size_t n_;  // axes

  Vector mean_;                     // [n]
  double deviation_;                // sigma
  Vector scale_;                    // [n]: the margin's factors A; 1 of floats
  Vector covariance_;               // [n][n]: C
  Vector basis_;                    // [n][n]: eigenvectors of C by column
  Vector lengths_;                  // [n]: roots of C's eigenvalues
  Vector sigma_path_, shape_path_;  // [n]
  int generations_ = 0;

  int rates_of_ = 0;  // members that these are for
  Vector weights_;
  double effective_ = 1, sigma_rate_ = 0, damping_ = 1, path_rate_ = 0, one_rate_ = 0,
         many_rate_ = 0;
};

}  // namespace windlass::tune
