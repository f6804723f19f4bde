// The tuner `cma-es?deviation=0.3&population=0`: covariance matrix adaptation (Hansen 2016, "The
// CMA Evolution Strategy: A Tutorial", arXiv:1604.00772, with its negative weights), on unit
// coordinates.
//
// - It starts at a random point (never at the middle), and again at another one when a search has
//   converged, by the scheme BIPOP (Hansen 2009): with twice the population, or with a small one
//   and a small step, whichever has had fewer trials.
// - Draws outside of the cube are drawn again, and the tenth is folded back at the border.
// - Integers and ordinal values have the margin of Hamano et al. (2022, "CMA-ES with Margin"): each
//   neighbour of the present value keeps a probability.
// - Categories have a distribution of their own, independent of the normal one, which moves to
// those
//   of the better half of each generation and keeps every category's probability above a margin.
// - Parameters that do not count have coordinates as all others have, which change nothing: what
//   they select is noise.
// - A generation takes as many trials as the population, or as were under way at once, where that
//   is more: so Suggest may ask for any number. It ends when as many were seen, in whatever order;
//   what was drawn from an earlier generation, or given by hand, enters with a step of bounded
//   length (Hansen 2011, "Injecting external solutions into CMA-ES"). Failed trials are the worst
//   of their generation.
#pragma once

#include "windlass/tune/tuner.h"

namespace windlass::tune {

void RegisterCmaEs(Registry& registry);

}  // namespace windlass::tune
