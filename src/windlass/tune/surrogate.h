// The Gaussian process of a study's scores: on which scale, with which hyper-parameters, of which
// trials, and when these change.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "windlass/tune/features.h"
#include "windlass/tune/gaussian_process.h"
#include "windlass/tune/kernel_fit.h"
#include "windlass/tune/score_scale.h"
#include "windlass/tune/space.h"

namespace windlass::tune {

// Rules, n being the number of trials:
// - The scale of scores and the hyper-parameters are fitted again when n has grown by a sixteenth
//   (at least 1), of more than 200 trials by an eighth; the scale is chosen anew with every fourth
//   fit. Beyond 200 trials, on 200: the best half, and the ones that are most spread.
// - In between, a trial adds a row to the factor. After a fit the factor is built anew: of up to
//   512 trials (or after 250 new ones) at once, else by about 2^25 multiplications a round, while
//   the factor before it is still used.
// - Beyond 2,500 trials the process is of the best 1,000, the newest 1,000, and what comes until
//   the next fit, 250 trials later.
class Surrogate {
 public:
  // `copula`: always on the scale of normal scores.
  Surrogate(const Space& space, bool copula);

  // Canonical coordinates (features.h); no score: failed, taken as the worst score so far.
  void Observe(std::vector<double> coordinates, std::optional<double> score);

  int observed() const { return static_cast<int>(trials_.size()); }
  int scored() const { return scored_; }

  // Brings the process up to date, as it was before with those under way added, whose scores are
  // taken to be what is expected of them. At least one trial has a score.
  void Update(std::span<const std::vector<double>> under_way);

  // Adds one to those under way.
  void Believe(const std::vector<double>& coordinates);

  // After Update:
  const Features& features() const { return current_->features; }
  const GaussianProcess& process() const { return current_->process; }
  // The same with the variance from 256 of the points: the process itself up to 512.
  const GaussianProcess& quick_variance() const { return quick_ ? *quick_ : current_->process; }
  // The largest posterior mean at a trial with a score.
  double best() const { return best_; }
  // Coordinates of trials, the largest posterior mean first, at most `count`.
  std::vector<std::vector<double>> Best(int count) const;

 private:
  struct Trial {
    std::vector<double> coordinates;
    std::optional<double> score;
  };
  struct Model {
    Features features;
    ScoreScale scale;
    GaussianProcess process;
    std::vector<int> members;  // which trials it is of or is to be of
  };

  double ScoreOf(const Trial& trial) const { return trial.score ? *trial.score : worst_; }
  std::vector<double> Encode(const Features& features, std::span<const int> members) const;
  // At most `count` of `members`: the better half by score, then the ones farthest from all chosen.
  std::vector<int> Spread(const Features& features, std::span<const int> members, int count) const;
  std::vector<int> Members() const;
  void Fit();
  void Extend(Model& model, int most) const;

  const Space space_;
  const bool copula_;
  std::vector<Trial> trials_;
  int scored_ = 0;
  double worst_ = 0;
  int fits_ = 0;
  int next_fit_ = 0;
  ScaleKind scale_ = ScaleKind::kLinear;
  std::vector<KernelParameters> parameters_;  // of each scale, as fitted last
  std::unique_ptr<Model> current_;
  std::unique_ptr<Model> next_;  // being built
  std::unique_ptr<GaussianProcess> quick_;
  double best_ = 0;
};

}  // namespace windlass::tune
