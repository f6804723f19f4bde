// Exact Shapley values of ensembles of trees.
#pragma once

#include <memory>

#include "windlass/explain/explainer.h"
#include "windlass/model/model.h"

namespace windlass::explain {

// Whether the tree explainer gives exact values of what the plan explains: the sum of leaves
// itself, not a function of it.
bool IsTreeSum(const model::Model& model, bool margin, Link link);

// Interventional (plan.tree_path false): the game v(S) = E_b f(x_S, b_notS) of the other methods,
// against the plan's weighted background. Path dependent: v(S) follows the splits of known groups
// and takes the mean of both sides, weighted by their training rows, at the others (Lundberg et
// al. 2020, algorithm 1); no background. See tree_leaf_internal.h and tree_tables_internal.h.
//
// Tables of up to 256 MiB are made once; those of larger ensembles are made again, part by part,
// for every block of rows.
//
// Throws Error{kInvalidInput} when the model shows no trees, when IsTreeSum is false, or when path
// dependent values need covers that the model's file does not have.
std::shared_ptr<const Explainer> MakeTreeExplainer(const Plan& plan,
                                                   std::unique_ptr<model::Model> model);

}  // namespace windlass::explain
