// Shapley values of any model from a sample of coalitions, by the plan's estimator; Owen values
// too.
#pragma once

#include <memory>

#include "windlass/explain/estimator.h"
#include "windlass/explain/explainer.h"
#include "windlass/explain/plan.h"
#include "windlass/model/model.h"

namespace windlass::explain {

// Groups that do not vary for a row are dummies of its game and get exactly 0, as in shap: the
// game is played by the others alone, v(S) = v(S without dummies), with the estimator of their
// number. (To sample over all players with dummies held at 0 would be sound too, but wastes
// coalitions that differ in dummies only.) There are at most as many estimators as players; each is
// made when a row first needs it, and depends on the plan alone.
//
// With a hierarchy the estimator is that of what it is for the players that vary (owen.h), also for
// method exact.
//
// With a tolerance a row stops at the first stage of the estimator at which no interval of any
// output is wider on either side.
//
// Throws Error{kInvalidInput} when nsamples is below MinimumSamples, and as MaskedGame does.
std::shared_ptr<const Explainer> MakeSampledExplainer(const Plan& plan,
                                                      std::unique_ptr<model::Model> model);

}  // namespace windlass::explain
