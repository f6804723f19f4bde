// KernelSHAP: Shapley values of any model from a sample of coalitions.
#pragma once

#include <memory>

#include "windlass/explain/design.h"
#include "windlass/explain/explainer.h"
#include "windlass/explain/plan.h"
#include "windlass/model/model.h"

namespace windlass::explain {

// Lundberg & Lee 2017 with the design of design.h and the constraint solved exactly.
//
// Groups that do not vary for a row are dummies of its game and get exactly 0, as in shap: the
// game is played by the others alone, v(S) = v(S without dummies), with the design of their
// number. (To regress over all players with dummies held at 0 would be sound too, but wastes
// coalitions that differ in dummies only.) There are at most as many designs as players; each is
// made when a row first needs it, and depends on the plan alone.
//
// Throws Error{kInvalidInput} when nsamples is below MinimumSamples, and as MaskedGame does.
std::shared_ptr<const Explainer> MakeKernelExplainer(const Plan& plan,
                                                     std::unique_ptr<model::Model> model);

}  // namespace windlass::explain
