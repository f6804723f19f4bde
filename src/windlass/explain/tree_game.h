// Exact Shapley values of a function of an ensemble's trees: probabilities, log-odds of a mean.
#pragma once

#include <memory>

#include "windlass/explain/explainer.h"
#include "windlass/model/model.h"

namespace windlass::explain {

// The game v(S) = link(sum_b w_b activation(margin(x_S, b_notS))) on all 2^players coalitions.
//
// For one background row b the margin of every coalition comes from the leaves that mixtures of x
// and b reach: a leaf that needs the players of P from x and those of N from b adds its value to
// the coalitions that hold P and nothing of N, a product of |P| + |N| factors, whose terms (over
// the subsets of N) are summed over subsets of coalitions in one go (Yates' algorithm). So a pair
// of rows costs a walk through each tree and O(2^players players), and no call of Predict.
//
// Any activation, identity and logit links, interactions as well. Throws Error{kInvalidInput} when
// the model shows no trees or there are more than kMaxExactPlayers players.
std::shared_ptr<const Explainer> MakeTreeGameExplainer(const Plan& plan,
                                                       std::unique_ptr<model::Model> model);

}  // namespace windlass::explain
