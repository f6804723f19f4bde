// The task of explain: some rows under a plan.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "windlass/base/bytes.h"
#include "windlass/engine/task.h"
#include "windlass/explain/explainer.h"

namespace windlass::explain {

// Rows as a task's input: [rows, columns] row-major. Part of the task's identity, and nothing but
// values: neither where the rows lie in the table nor how they were stored.
Bytes EncodeRows(std::int64_t rows, std::int64_t columns, const std::vector<double>& values);

Bytes EncodeAttributions(const Attributions& attributions);
// Throws Error{kCorrupt}.
Attributions DecodeAttributions(const Bytes& bytes);

// The task over (plan, rows). `reach`: of the plan's model, see model::TakeReach.
engine::Task MakeExplainTask(const engine::ObjectRef& plan, const engine::ObjectRef& rows,
                             const std::string& reach);

void RegisterExplainTask(Registry& registry);

}  // namespace windlass::explain
