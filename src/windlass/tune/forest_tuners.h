// The tuners `forest-ei`, `forest-lcb` and `forest-pi`: sequential model-based algorithm
// configuration (SMAC, Hutter et al. 2011) with a random regression forest (forest.h).
//
// Options: `startup` (10) trials of a scrambled Sobol' sequence; then each trial is with
// probability `random` (0.08) a random point, as SMAC interleaves them, and else the one with the
// best acquisition of `candidates` (1000) random points and of local searches from the best 10 of
// them and from the best 10 trials; `trees` (10); of the acquisition `xi` (0 for `ei`, 0.2 for
// `pi`), the least improvement on the scale of logarithms to which the forest is fitted, and `beta`
// (1) for `lcb`: how many standard deviations the bound lies above the mean (scores are maximised:
// lower confidence bounds of costs are upper ones of scores).
//
// Parameters that do not count have a value of their own (SMAC's imputation). Failed trials count
// as bad as the worst one, and trials under way as good as the lower quarter ("constant liar",
// Ginsbourger et al. 2010).
#pragma once

#include "windlass/tune/tuner.h"

namespace windlass::tune {

void RegisterForestTuners(Registry& registry);

}  // namespace windlass::tune
