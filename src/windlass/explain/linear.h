// Exact Shapley values of linear models, at any activation that we know.
#pragma once

#include <memory>

#include "windlass/explain/explainer.h"
#include "windlass/model/model.h"

namespace windlass::explain {

// identity under the identity link: phi_g = a_g - E a_g (Strumbelj & Kononenko 2014), any number
// of players. sigmoid, and softmax of two outputs: SigmoidGame. softmax of more: the expectation
// is taken coalition by coalition from exponentials of per-group sums.
//
// Throws Error{kInvalidInput} when the model is not linear, or the link is logit of a margin.
std::shared_ptr<const Explainer> MakeLinearExplainer(const Plan& plan,
                                                     const model::LinearStructure& structure);

// Whether the closed form applies, so that the number of coalitions does not matter.
bool IsClosedForm(const model::LinearStructure& structure, bool margin, Link link);

}  // namespace windlass::explain
