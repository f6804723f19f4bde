// Explanations for callers in the same process: tables and results in memory, a plan that is made
// once and explains any number of tables.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "windlass/base/cancel.h"
#include "windlass/base/export.h"
#include "windlass/base/json.h"
#include "windlass/engine/session.h"
#include "windlass/explain/explainer.h"

namespace windlass::explain {

struct PreparedPlan;

// All rows of a table: shapes as those of Attributions.
struct Explanation {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::vector<double> values;  // [rows, columns]: as they were explained, categories as codes
  Attributions attributions;
};

// For one thread at a time.
class WINDLASS_API MemoryExplainer {
 public:
  // `spec`: of kind explain; "data" is a table of the columns that are to be explained, whose rows
  // do not matter (the background will do). Tables may be those of table/memory.h. `what` names
  // the spec in errors. Throws Error as MakePlan, job::Normalise and engine::StartSession do.
  MemoryExplainer(const Json& spec, std::string_view what, std::string_view engine,
                  engine::WorkerCount workers);
  ~MemoryExplainer();
  MemoryExplainer(const MemoryExplainer&) = delete;
  MemoryExplainer& operator=(const MemoryExplainer&) = delete;

  // Explains the table at the URI `data`. `batch`: rows a task, 0: what suits the method. Throws
  // Error as DriveRows does. Nothing is remembered.
  Explanation Explain(const std::string& data, std::int64_t batch, const CancelToken& token);

  // What is expected before anything of a row is known, [outputs] in link space; found by
  // explaining a row of the background. Throws Error{kUsage} where there is none.
  std::vector<double> BaseValue(const CancelToken& token);

  // What was planned: {"method", "reason", "groups": [{"name", "columns": [0-based]}], "columns":
  // [{"name", "categories"}], "outputs": [names], "nsamples" where it samples, "background_rows"}.
  Json Describe() const;

 private:
  bool go_on_ = false;
  std::unique_ptr<PreparedPlan> prepared_;
  std::unique_ptr<engine::Session> session_;
  engine::ObjectRef plan_;
};

}  // namespace windlass::explain
