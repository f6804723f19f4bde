// What a job would cost, before it runs.
#pragma once

#include "windlass/base/json.h"

namespace windlass::explain {

// Makes the plan of a normalised spec and explains some of its first rows, for about a second, to
// measure. `workers` as the engine counts them, at least 1. The result:
//   {method, reason, groups, background_rows, rows (null when the format does not tell),
//    measured: {rows, wall_s, model_evaluations},
//    expected: {model_evaluations, wall_s, cpu_s} (null without rows), memory_bytes,
//    cheaper: [text, ...]}.
// Expected times assume that workers share the rows evenly and leave reading and writing out;
// memory is what the process has used so far and the largest report. Throws as MakePlan does.
Json EstimateCost(const Json& spec, int workers);

}  // namespace windlass::explain
