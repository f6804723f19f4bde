// Exact Shapley values of any model by enumeration of all coalitions.
#pragma once

#include <memory>

#include "windlass/explain/explainer.h"
#include "windlass/explain/plan.h"
#include "windlass/model/model.h"

namespace windlass::explain {

// Most players that are enumerated: 2^24 values of the game are held a row.
inline constexpr int kMaxExactPlayers = 24;

// Enumerates the coalitions of the players that vary for a row; the others get exactly 0. Throws
// Error{kInvalidInput} for more than kMaxExactPlayers players, and as MaskedGame does.
std::shared_ptr<const Explainer> MakeExactExplainer(const Plan& plan,
                                                    std::unique_ptr<model::Model> model);

}  // namespace windlass::explain
