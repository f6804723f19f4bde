// An algorithm with everything that it prepared for one plan: explains rows, any number at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "windlass/explain/plan.h"

namespace windlass::explain {

// Attributions of some rows.
struct Attributions {
  std::vector<double> prediction;   // [rows, outputs], in link space
  std::vector<double> phi;          // [rows, outputs, players]
  std::int64_t model_evaluations = 0;
  std::int64_t failed_rows = 0;     // left as NaN under OnError::kRow

  void Resize(std::int64_t rows, std::int64_t outputs, std::int64_t players);
};

class Explainer {
 public:
  virtual ~Explainer() = default;

  // v(nobody): what is expected before any group of the row is known. Shape [outputs].
  virtual std::span<const double> base_value() const = 0;

  // x: [rows, columns] row-major. `check` is called between pieces of work and throws to stop.
  // Thread safe. A row's result depends on that row alone.
  //
  // Throws Error{kInvalidInput} naming the row (0-based, from `first_row` on) whose value under
  // the link is infinite, unless the plan says OnError::kRow.
  virtual void Explain(std::span<const double> x, std::int64_t first_row, std::int64_t rows,
                       const std::function<void()>& check, Attributions& out) const = 0;
};

// Makes the explainer of the plan's method. Throws Error{kInvalidInput} when the method does not
// apply, saying why.
std::shared_ptr<const Explainer> MakeExplainer(const Plan& plan);

}  // namespace windlass::explain
