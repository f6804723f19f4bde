// Challenges on a data set: hyper-parameters of a classifier, scored by cross-validation.
#pragma once

#include "windlass/base/registry.h"

namespace windlass::tune {

// `xgboost:TABLE[?target=class&encode=onehot|auto]`.
void RegisterModelChallenges(Registry& registry);

}  // namespace windlass::tune
