// Parts that the linear explainers share.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "windlass/explain/explainer.h"
#include "windlass/explain/plan.h"

namespace windlass::explain {

// What each group adds to a margin: sum over its columns, in their order, of coef * x.
class GroupSums {
 public:
  GroupSums(const Plan& plan, std::span<const double> coef);

  void Of(const double* row, std::span<double> out) const;   // out: [players]
  std::vector<double> OfBackground(const Plan& plan) const;  // [background rows, players]

 private:
  std::vector<std::vector<std::int32_t>> groups_;
  std::vector<double> coef_;
};

// Which groups of a row differ from any background row.
class Varying {
 public:
  explicit Varying(const Plan& plan);  // the plan must outlive this
  void Of(const double* row, std::span<bool> out) const;

 private:
  const Plan& plan_;
  std::vector<bool> constant_;  // groups in which the background does not vary
};

std::shared_ptr<const Explainer> MakeSoftmaxExplainer(const Plan& plan,
                                                      const model::LinearStructure& structure);

}  // namespace windlass::explain
