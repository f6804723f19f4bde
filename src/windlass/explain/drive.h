// Explains a table's rows by tasks, block after block: what the command and callers in memory
// share.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "windlass/base/stopwatch.h"
#include "windlass/engine/driver.h"
#include "windlass/explain/explainer.h"
#include "windlass/explain/make_plan.h"
#include "windlass/table/table.h"

namespace windlass::explain {

struct RowsOptions {
  std::int64_t batch = 0;        // rows a task; 0: what suits the plan's method
  bool go_on = false;            // a row without attributions stays NaN instead of an error
  store::Store* memo = nullptr;  // see engine::DriveOptions
  std::string data;              // what messages call the table
};

// Where the time went; read and blocks are part of all.
struct RowsTimes {
  Stopwatch all;
  Stopwatch read;
  Stopwatch blocks;  // in on_block
};

// Takes all rows from `reader`, which gives the plan's columns, and hands each block with its
// attributions to `on_block`, in the order of the rows. `plan` is where the session holds the
// encoded plan.
//
// Throws Error{kInvalidInput} naming the table, the row and the column for a missing value that the
// model does not take or, unless options.go_on, for a row without attributions; and what
// engine::Drive and `on_block` throw.
engine::DriveStats DriveRows(
    const PreparedPlan& prepared, const engine::ObjectRef& plan, table::Reader& reader,
    engine::Session& session, const CancelToken& token, const RowsOptions& options,
    const std::function<void(const table::Chunk&, const Attributions&)>& on_block,
    RowsTimes& times);

}  // namespace windlass::explain
