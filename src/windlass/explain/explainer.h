// An algorithm with everything that it prepared for one plan: explains rows, any number at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "windlass/explain/plan.h"

namespace windlass::explain {

// A row that has no attributions because its value under the link is infinite or not a number.
struct Failure {
  std::int64_t row = 0;  // among the rows that were given
  std::string why;
};

// Attributions of some rows; those of failed rows are NaN.
struct Attributions {
  std::vector<double> base_value;  // [outputs], in link space: the plan's, whatever the rows
  std::vector<double> prediction;  // [rows, outputs], in link space
  std::vector<double> phi;         // [rows, outputs, players]
  // Of methods that sample, else empty: see Estimate. NaN and 0 for failed rows.
  std::vector<double> half_width;    // [rows, outputs, players]
  std::vector<std::int32_t> ranked;  // [rows, outputs]
  // Of pairs (0, 1), (0, 2), ... of players, where the plan wants them; see PairIndex in shapley.h.
  std::vector<double> interactions;             // [rows, outputs, pairs]
  std::vector<double> interactions_half_width;  // the same, of methods that sample
  std::int64_t model_evaluations = 0;
  std::int64_t coalitions = 0;            // that methods that sample looked at, in all rows
  std::int64_t coalitions_saved = 0;      // by rows that stopped early
  std::int64_t rows_above_tolerance = 0;  // although they took all of nsamples
  std::vector<Failure> failures;
  std::int64_t outputs = 0;
  std::int64_t players = 0;

  void Resize(std::int64_t rows, std::int64_t outputs, std::int64_t players,
              bool with_interactions = false);
  void AddIntervals();  // zeros, of interactions too where there are any

  // Marks one output of a row as failed: NaN in prediction and phi, and a Failure.
  void Fail(std::int64_t row, std::int64_t output, std::string why);
};

class Explainer {
 public:
  virtual ~Explainer() = default;

  // v(nobody): what is expected before any group of the row is known. Shape [outputs].
  virtual std::span<const double> base_value() const = 0;

  // x: [rows, columns] row-major. `check` is called between pieces of work and throws to stop.
  // Thread safe. A row's result depends on that row alone.
  virtual void Explain(std::span<const double> x, std::int64_t rows,
                       const std::function<void()>& check, Attributions& out) const = 0;
};

// Makes the explainer of the plan's method. Throws Error{kInvalidInput} when the method does not
// apply, saying why.
std::shared_ptr<const Explainer> MakeExplainer(const Plan& plan);

}  // namespace windlass::explain
